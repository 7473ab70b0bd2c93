/** Room for what a merge moves: one that fills the disk half-way cannot be ended, and all else waits for it. */
import { dirname } from "node:path";
import type { Merge } from "../graph/decisions.ts";
import { imageOf } from "../graph/files.ts";
import { differenceBytes } from "../graph/intervals.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";

/** A cluster of which 4 KiB were written takes these alone, and all of its 64 where it is moved to. */
const SPARSE = 16;
/** Tables and counts of references take less than this part of the data. */
const TABLES = 1 / 4096;

/**
 * Throws "host" where the file that takes the data in may not grow as much. What it holds already is written over:
 * where the disk is nearly full, that is asked of both files.
 */
export async function requireRoom(
  world: World,
  state: State,
  { layer, child, way, live, bytes }: Merge,
): Promise<void> {
  const [below, above] = [state.layers[layer], state.layers[child]];
  // A lender's files are read only right after they were looked at; for a backup's there was room when it was borrowed
  if (below === undefined || above === undefined || below.borrowed !== undefined) return;
  const [from, into] = way === "up" ? [below, above] : [above, below];
  if ((await world.host.fileInfo(into.file))?.isBlockDevice === true) return;
  const folder = dirname(into.file);
  if ((await world.host.freeBytes(folder)) >= SPARSE * bytes + EMPTY_HEAD_BYTES) return;
  // Zeros become zeros by `qemu-img commit` alone; a rebase and a running guest's QEMU may write them as data
  const moved = await world.host.ownExtents(imageOf(from), way === "down" && live === null ? "data" : undefined);
  const held = await world.host.ownExtents(imageOf(into), "data");
  const added = differenceBytes(moved, held);
  if (added > 0) await requireSpace(world, added * (1 + TABLES), `merging layer ${layer}`, folder, EMPTY_HEAD_BYTES);
}
