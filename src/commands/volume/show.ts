import { findVolume } from "../../core/volumes/find.ts";
import { viewVolume } from "../../core/volumes/view.ts";
import { many } from "../framework/arguments.ts";
import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { volumeColumns } from "./columns.ts";

export default verb({
  description: "Shows volumes.",
  arguments: {
    volumes: many("VOLUME", "the volume: an id, a name, or INSTANCE/DEVICE", {
      complete: "volume",
      ask: "Which volume?",
    }),
  },
  result: result.one(volumeColumns),
  changes: false,
  examples: [
    { line: "estrato volume show data1 -f json", says: "one of them, as JSON" },
    { line: "estrato volume show web1/vda", says: "the disk that web1 boots from" },
  ],
  exits: { 4: "there is no such volume" },
  async run(context) {
    const core = await context.world();
    return eachTarget(context, context.args.volumes, { kind: "volume", verb: "show" }, async (target) => {
      const state = await core.store.read();
      return viewVolume(core, state, findVolume(state, target));
    });
  },
});
