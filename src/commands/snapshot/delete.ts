import { deleteSnapshot } from "../../core/snapshots/delete.ts";
import { many } from "../framework/arguments.ts";
import { flag } from "../framework/options.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";

export default verb({
  description:
    "Deletes snapshots, in any order. Only data that is a snapshot's own is freed; all others, images and the instance keep what they hold. " +
    "--dry-run says how much that is.",
  arguments: {
    snapshots: many("SNAPSHOT", "the snapshot: an id, a name or INSTANCE/NAME", {
      complete: "snapshot",
      ask: "Which snapshot?",
    }),
  },
  options: { children: flag("also all that descend from it, after a yes") },
  changes: true,
  done: ({ target }) => `Deleted snapshot ${target}.`,
  examples: [
    { line: "estrato snapshot delete web1/before-upgrade", says: "delete one" },
    { line: "estrato snapshot delete web1/s1 --children -y", says: "delete a branch, without being asked" },
  ],
  exits: { 5: "it is protected, or an operation is under way", 8: "--children needs a yes" },
  async run(context) {
    const core = await context.world();
    const { children } = context.options;
    return eachTarget(context, context.args.snapshots, { kind: "snapshot", verb: "delete" }, (target) =>
      deleteSnapshot(core, target, { children }),
    ) as never;
  },
});
