/** Which of the sums hold that were taken of a copy while it was written. */
import type { DataPlace } from "../model/host.ts";
import type { World } from "../ports.ts";
import { untouchedBlocks } from "./merged-sums.ts";
import { BLOCK_BYTES } from "./sums.ts";

/**
 * For each of the first blocks its sum, or null where it has to be read again: where it holds anything but data, and
 * everywhere if the data does not lie in the guest's order (src/host/sums-behind.ts says why).
 */
export async function finalSums(world: World, path: string, early: readonly string[]): Promise<(string | null)[]> {
  if (early.length === 0) return [];
  const places = await world.host.dataPlaces({ path });
  if (!inOrder(places)) return [];
  const data = untouchedBlocks(early.length, BLOCK_BYTES, places, []);
  return early.map((sum, index) => (data[index] ? sum : null));
}

/** What comes later for the guest comes later in the file. */
function inOrder(places: readonly DataPlace[]): boolean {
  return places.every(({ start, fileOffset }, index) => {
    const before = places[index - 1];
    return (
      before === undefined || (start >= before.start + before.length && fileOffset >= before.fileOffset + before.length)
    );
  });
}
