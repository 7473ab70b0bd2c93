import { listVolumes } from "../../core/volumes/view.ts";
import { text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { volumeColumns } from "./columns.ts";

export default verb({
  description:
    "Lists volumes, the oldest first. The disks that instances came with are volumes too: they have no name, and answer to INSTANCE/DEVICE.",
  options: {
    owner: text("self|all|NAME", "only those that this user made", { default: "all", complete: "owner" }),
  },
  result: result.list(volumeColumns, {
    empty: "There is no volume. To make one: estrato volume create NAME --size 10G.",
  }),
  changes: false,
  examples: [
    { line: "estrato volume list", says: "all of them" },
    { line: "estrato volume list --filter status=available -f value -c id", says: "the ids of those that are free" },
  ],
  async run({ options, world }) {
    const core = await world();
    const owner = options.owner === "self" ? core.user : options.owner;
    return listVolumes(core, owner === "all" ? {} : { owner });
  },
});
