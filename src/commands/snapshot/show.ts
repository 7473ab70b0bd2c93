import { showSnapshot } from "../../core/snapshots/show.ts";
import { many } from "../framework/arguments.ts";
import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { snapshotDetailColumns } from "./columns.ts";

export default verb({
  description:
    "Shows snapshots with all that is known of them. `restorable` says whether an instance can be reverted to it now, and " +
    "`restorable_reason` why not; `requires` is what its memory needs of a host. One that libvirt itself holds is named as " +
    "`snapshot list` shows it: `libvirt:NAME`, or `INSTANCE/libvirt:NAME`.",
  arguments: {
    snapshots: many("SNAPSHOT", "the snapshot: an id, a name or INSTANCE/NAME", {
      complete: "snapshot",
      ask: "Which snapshot?",
    }),
  },
  result: result.one(snapshotDetailColumns),
  changes: false,
  examples: [{ line: "estrato snapshot show web1/before-upgrade", says: "one snapshot" }],
  exits: { 4: "there is no such snapshot, or several of that name" },
  async run(context) {
    const core = await context.world();
    return eachTarget(context, context.args.snapshots, { kind: "snapshot", verb: "show" }, (target) =>
      showSnapshot(core, target),
    );
  },
});
