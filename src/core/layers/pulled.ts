/**
 * Has a head, whose header names nothing any more, all that was pulled into it? A QEMU that was killed at the end of a
 * pull may have left the tables of what it had pulled unwritten (measured on 7.2).
 */
import { imageOf } from "../graph/files.ts";
import { differenceBytes } from "../graph/intervals.ts";
import type { Layer } from "../model/state.ts";
import type { World } from "../ports.ts";

/** Does `child`'s own file hold all that the files of these layers hold? Throws what `filesOf` throws. */
export async function hasPulled(world: World, child: Layer, below: readonly Layer[]): Promise<boolean> {
  const own = await world.host.ownExtents(imageOf(child));
  for (const layer of below) {
    for (const file of await filesOf(world, layer)) {
      const extents = await world.host.ownExtents(imageOf({ ...layer, file }));
      if (differenceBytes(extents, own) > 0) return false;
    }
  }
  return true;
}

/** The files that a layer stands for. Throws "conflict" or "host" where its lender has changed them. */
export async function filesOf(world: World, { file, sizeBytes, borrowed }: Layer): Promise<readonly string[]> {
  if (borrowed === undefined) return [file];
  if (borrowed.backup !== undefined) return borrowed.backup.files;
  return (await (await import("../sharing/lent-files.ts")).findLent(world, file, sizeBytes, borrowed)).files;
}
