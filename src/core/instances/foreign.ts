/** Giving disks back that were there before us, when their instance has been deleted. */
import type { Volume } from "../model/state.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { World } from "../ports.ts";

/**
 * Forgets volumes of a deleted instance whose bytes lie in their original file again (what stood on it has been merged
 * down into it); collecting then gives the file its owner and mode back. One that is not back yet stays as a free
 * volume: what it holds is nowhere else. Says in a note what became of each.
 */
export async function forgetForeignVolumes(world: World, volumes: readonly Volume[], instance: string): Promise<void> {
  if (volumes.length === 0) return;
  const ids = volumes.map((volume) => volume.id);
  const notes = await withLocks(world, ids, async () => {
    const stays: string[] = [];
    await world.store.update((draft) => {
      for (const { id, device } of volumes) {
        const volume = draft.volumes[id];
        const head = draft.layers[volume?.head ?? ""];
        if (volume === undefined || head === undefined || volume.instance !== null) continue;
        if (head.foreign === null) {
          stays.push(`${instance}: ${device} stays as volume ${id}: other things still stand on its original file`);
          continue;
        }
        delete draft.volumes[id];
        stays.push(`${instance}: ${device} was there before estrato and stays: ${head.file}`);
      }
    });
    return stays;
  });
  for (const note of notes) world.report.note(note);
}
