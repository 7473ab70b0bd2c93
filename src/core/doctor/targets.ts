/**
 * Looks into the backup targets that are there for what this store has begun in them and never finished, and for
 * backups that are damaged.
 */
import { isDamaged } from "../backups/backup.ts";
import { leftoversIn, sweep } from "../backups/leftovers.ts";
import { backupsIn } from "../backups/list.ts";
import { distinctTargets, isThere } from "../backups/targets/identity.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { type Finding, unmendable } from "./finding.ts";

export async function examineTargets(world: World, state: State): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const target of await distinctTargets(world, Object.keys(state.targets))) {
    findings.push(...(await damagedIn(world, state, target)));
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

/** Their verdict stays until a later `verify` finds them whole, or they are deleted. */
async function damagedIn(world: World, state: State, target: string): Promise<Finding[]> {
  if (!(await isThere(world, state, target))) return [];
  return (await backupsIn(world, target))
    .filter(isDamaged)
    .map(({ id, problem }) =>
      unmendable(
        `backup ${id}`,
        `it is damaged: ${problem}`,
        `Take a new one, and delete it: estrato backup delete ${id}. Where its files were put back: estrato backup verify ${id}.`,
      ),
    );
}
