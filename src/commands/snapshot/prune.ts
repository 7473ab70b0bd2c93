import { planPruning, pruneSnapshots } from "../../core/snapshots/set.ts";
import { verb } from "../framework/verb.ts";

export default verb({
  description:
    "Deletes the snapshots that have expired and are not protected. What another command works on is left for the next time.",
  changes: true,
  done: ({ changed }) => (changed ? null : "No snapshot has expired."),
  examples: [{ line: "estrato snapshot prune", says: "delete what has expired" }],
  async run({ world }) {
    const core = await world();
    if (core.dryRun) return planPruning(core);
    for (const label of await pruneSnapshots(core)) core.report.note(`${label}: had expired, deleted`);
    return null;
  },
});
