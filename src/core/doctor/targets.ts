/** Looks into the backup targets that are there for what this store has begun in them and never finished. */
import { leftoversIn, sweep } from "../backups/leftovers.ts";
import { distinctTargets } from "../backups/targets/identity.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";
import type { Finding } from "./finding.ts";

export async function examineTargets(world: World, state: State): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const target of await distinctTargets(world, Object.keys(state.targets))) {
    for (const name of await leftoversIn(world, state, target)) {
      findings.push({
        subject: name,
        problem: "what was written of a backup that was never finished",
        remedy: "Remove the folder.",
        mending: { locks: [target], loses: [], mend: (w, locks) => sweep(w, locks, target) },
      });
    }
  }
  return findings;
}
