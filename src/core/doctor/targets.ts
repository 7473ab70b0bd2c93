/**
 * Looks into the backup targets that are there for what this store has begun in them and never finished, and for
 * backups that are damaged.
 */
import { isDamaged } from "../backups/backup.ts";
import { cutOffIn, endLocked } from "../backups/cut-off.ts";
import { leftoversIn, sweep } from "../backups/leftovers.ts";
import { backupsIn } from "../backups/list.ts";
import { distinctTargets, isThere } from "../backups/targets/identity.ts";
import type { State } from "../model/state.ts";
import type { HeldLocks, World } from "../ports.ts";
import { type Finding, unmendable } from "./finding.ts";

export async function examineTargets(world: World, state: State): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const target of await distinctTargets(world, Object.keys(state.targets))) {
    if (!(await isThere(world, state, target))) continue;
    findings.push(...(await damagedIn(world, target)));
    findings.push(...(await examineCutOff(world, state, target)));
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

/** Of this store: what another has begun is its own affair. */
async function examineCutOff(world: World, state: State, target: string): Promise<Finding[]> {
  return (await cutOffIn(world, state, target)).map(({ id, child, encrypted }) => {
    const subject = `backup ${id}`;
    const problem =
      child === null
        ? "its deletion was cut off, and nothing is left that would end it"
        : `its deletion was cut off, and nothing is left that would end it: nothing can be made of ${child}, which builds on it`;
    const line = `estrato backup delete ${id} --target ${target} --passphrase-file FILE`;
    if (encrypted) return unmendable(subject, problem, `End it: ${line}.`);
    const mend = async (w: World, locks: HeldLocks) => void (await endLocked(w, locks, target, id, null));
    return { subject, problem, remedy: "End it.", mending: { locks: [target], loses: [], mend } };
  });
}

/** Their verdict stays until a later `verify` finds them whole, or they are deleted. */
async function damagedIn(world: World, target: string): Promise<Finding[]> {
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
