/**
 * Notes in the targets that say that an instance of ours still reads from a backup, though none does: the target was
 * not there when it was let go of.
 */
import { backupsIn } from "../backups/list.ts";
import { useNote } from "../backups/parts.ts";
import { distinctTargets, isThere } from "../backups/targets/identity.ts";
import { openTarget } from "../backups/targets/open.ts";
import type { State } from "../model/state.ts";
import { perform } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import type { Finding } from "./finding.ts";

export async function examineUses(world: World, state: State): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const target of await distinctTargets(world, Object.keys(state.targets))) {
    if (!(await isThere(world, state, target))) continue;
    for (const { id, uses } of await backupsIn(world, target)) {
      for (const { layer, store, instance } of uses) {
        if (store === null || store !== state.storeId || state.layers[layer] !== undefined) continue;
        const stored = openTarget(world, target).backup(id);
        const note = useNote(layer);
        findings.push({
          subject: stored.nameOf(note),
          problem: `it says that instance ${instance} still reads from the backup, and nothing here does`,
          remedy: "Remove it, so that the backup can go when its time has come.",
          mending: { locks: [target], loses: [], mend: (w, locks) => perform(w, locks, stored.removeFile(note)) },
        });
      }
    }
  }
  return findings;
}
