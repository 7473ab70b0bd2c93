/** Refuses before a disk runs full, rather than after. */

import { EstratoError } from "../errors.ts";
import { humanSize } from "../units.ts";
import type { World } from "./ports.ts";

/**
 * Left free besides what an operation needs: room for the state, the journal and a growing head to be noticed in time.
 */
const RESERVE_BYTES = 64 * 1024 * 1024;
/** An empty qcow2 file and its first tables. */
export const EMPTY_HEAD_BYTES = 1024 * 1024;

/** Throws "host" unless `neededBytes` and a reserve are free in `folder`: where layers live, if not said otherwise. */
export async function requireSpace(
  world: World,
  neededBytes: number,
  what: string,
  folder: string = world.store.paths.layersFolder,
  reserveBytes: number = RESERVE_BYTES,
): Promise<void> {
  const free = await world.host.freeBytes(folder);
  if (free >= neededBytes + reserveBytes) return;
  throw new EstratoError(
    "host",
    `${what}: needs ${humanSize(neededBytes + reserveBytes)} in ${folder}, ${humanSize(free)} are free`,
    {
      hint: 'Free some space, or see "estrato usage" for what waits to be collected.',
    },
  );
}
