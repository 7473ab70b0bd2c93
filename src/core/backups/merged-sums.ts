/**
 * Which blocks of a merged file are as they were: these need not be read again, so that a merge costs what it moves.
 */
import type { AskedFile, DataPlace, Extent } from "../model/host.ts";
import type { World } from "../ports.ts";
import type { Sums } from "./sums.ts";

/** What decides which blocks a merge touches, before it and afterwards. Both lists are in the guest's order. */
export interface Moved {
  /** What the one above holds. */
  readonly written: readonly Extent[];
  /** Where the data lies that the one below holds. */
  readonly places: readonly DataPlace[];
}

/** Throws WrongPassphrase. */
export async function movedBy(world: World, above: AskedFile, below: AskedFile): Promise<Moved> {
  return { written: await world.host.ownExtents(above), places: await world.host.dataPlaces(below) };
}

/**
 * Of the one below: the sums of the blocks that the merge cannot touch, those that hold nothing but data which the one
 * above does not hold. What changed by itself there is still found, since its old sum stays.
 */
export function unchangedSums({ sums, blockBytes }: Sums, { written, places }: Moved): (string | null)[] {
  const untouched = untouchedBlocks(sums.length, blockBytes, places, written);
  return sums.map((sum, index) => (untouched[index] ? sum : null));
}

/**
 * For each block of a file whether it holds nothing but data that lies at `places` and that `written` does not name.
 * Both lists are in the guest's order.
 */
export function untouchedBlocks(
  count: number,
  blockBytes: number,
  places: readonly DataPlace[],
  written: readonly Extent[],
): boolean[] {
  const stable = new Array<number>(count).fill(0);
  for (const { fileOffset, length } of unwritten(places, written)) addTo(stable, blockBytes, fileOffset, length);
  return stable.map((bytes) => bytes === blockBytes);
}

/** What a table of the second level stands for, in files whose clusters have 64 KiB as ours, and what it takes. */
const TABLE = { spanBytes: 512 * 1024 * 1024, bytes: 65536 };

/** What the tables take at most that a file gets where this is written to it and it holds nothing yet. */
export function tableBytes(written: readonly Extent[], held: readonly Extent[]): number {
  const spans = (all: readonly Extent[]) => {
    const found = new Set<number>();
    for (const { start, length } of all)
      for (let at = Math.floor(start / TABLE.spanBytes); at * TABLE.spanBytes < start + length; at += 1) found.add(at);
    return found;
  };
  const there = spans(held);
  return [...spans(written)].filter((at) => !there.has(at)).length * TABLE.bytes;
}

/** The parts of the data at `places` that `written` does not name. */
function* unwritten(
  places: readonly DataPlace[],
  written: readonly Extent[],
): Generator<{ readonly fileOffset: number; readonly length: number }> {
  let next = 0;
  for (const { start, length, fileOffset } of places) {
    const end = start + length;
    for (let at = start; at < end; ) {
      while (endOf(written[next]) <= at) next += 1;
      const cut = written[next];
      const free = cut === undefined ? end : Math.max(at, Math.min(end, cut.start));
      yield { fileOffset: fileOffset + (at - start), length: free - at };
      at = cut === undefined ? end : Math.max(free, Math.min(end, endOf(cut)));
    }
  }
}

/** Of none: beyond all. */
function endOf(extent: Extent | undefined): number {
  return extent === undefined ? Number.POSITIVE_INFINITY : extent.start + extent.length;
}

function addTo(stable: number[], blockBytes: number, offset: number, length: number): void {
  for (let at = offset; at < offset + length; ) {
    const block = Math.floor(at / blockBytes);
    const end = Math.min(offset + length, (block + 1) * blockBytes);
    if (block < stable.length) stable[block] = (stable[block] ?? 0) + (end - at);
    at = end;
  }
}
