import { deleteVolume } from "../../core/volumes/delete.ts";
import { many } from "../framework/arguments.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";

export default verb({
  description:
    "Deletes volumes that are attached to nothing, after a yes. Their snapshots stay, and what was made from those; --dry-run says how much " +
    "would be freed.",
  arguments: {
    volumes: many("VOLUME", "the volume: an id or a name", { complete: "volume", ask: "Which volume?" }),
  },
  changes: true,
  done: ({ target }) => `Deleted volume ${target}.`,
  examples: [
    { line: "estrato volume delete data1", says: "delete data1, after a yes" },
    { line: "estrato volume delete --yes data1 data2", says: "delete two, asking nothing" },
  ],
  exits: { 4: "there is no such volume", 5: "it is attached", 8: "it needs a yes" },
  async run(context) {
    const world = await context.world();
    return eachTarget(context, context.args.volumes, { kind: "volume", verb: "delete" }, (target) =>
      deleteVolume(world, target),
    );
  },
});
