/**
 * What says elsewhere that we use something, though nothing of ours does: notes in the targets (the target was not
 * there when its backup was let go of), and marks with who lends us images (of a line that was killed, and whose
 * journal entry is lost).
 */
import { backupsIn } from "../backups/list.ts";
import { useNote } from "../backups/parts.ts";
import { distinctTargets, isThere } from "../backups/targets/identity.ts";
import { openTarget } from "../backups/targets/open.ts";
import type { State } from "../model/state.ts";
import { perform } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { ownMarks } from "../sharing/borrow.ts";
import { sharedImages } from "../sharing/find.ts";
import type { Finding } from "./finding.ts";

export async function examineUses(world: World, state: State): Promise<Finding[]> {
  const findings: Finding[] = [];
  if ((await world.store.doubt()) !== null) return findings; // what the state may lack may read there
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

/** To be asked only where no operation is under way: one that is makes its mark before it records what it is of. */
export async function examineMarksOfUse(world: World, state: State): Promise<Finding[]> {
  const { storeId } = state;
  if (storeId === null || (await world.store.doubt()) !== null) return [];
  const findings: Finding[] = [];
  for (const shared of await sharedImages(world)) {
    for (const { path, layer } of await ownMarks(world, shared, storeId)) {
      if (Object.hasOwn(state.layers, layer)) continue;
      findings.push({
        subject: path,
        problem: `it tells ${shared.owner} that image ${shared.name} is used here, and nothing here uses it`,
        remedy: "Take it back, so that the image can go.",
        mending: {
          locks: [layer],
          loses: [],
          mend: async (w, locks) => {
            const { entries, damaged } = await w.store.journal.scan();
            const isIdle = entries.length === 0 && damaged.length === 0;
            if (isIdle && !Object.hasOwn((await w.store.read()).layers, layer))
              await perform(w, locks, [{ do: "mark-use", path, on: false }]);
          },
        },
      });
    }
  }
  return findings;
}
