import fc from "fast-check";
import { expect, test } from "vitest";
import { untouchedBlocks } from "../../../../src/core/backups/merged-sums.ts";
import { differenceBytes } from "../../../../src/core/graph/intervals.ts";

const BLOCK = 8;
const BLOCKS = 6;

/** Extents of a guest's disk of 64 bytes, apart and in order. */
const extents = fc
  .uniqueArray(fc.integer({ min: 0, max: 64 }), { maxLength: 12 })
  .map((ends) => ends.sort((a, b) => a - b))
  .map((ends) =>
    ends.flatMap((end, at) => (at % 2 === 0 ? [] : [{ start: ends[at - 1] ?? 0, length: end - (ends[at - 1] ?? 0) }])),
  );

test("a block counts as untouched where each of its bytes is data that was not written, and nowhere else", () => {
  fc.assert(
    fc.property(extents, extents, fc.integer({ min: 0, max: 20 }), (data, written, offset) => {
      // Laid into the file one behind the other, as qcow2 would, from some offset on.
      let at = offset;
      const places = data.map(({ start, length }) => {
        const fileOffset = at;
        at += length;
        return { start, length, fileOffset };
      });
      const isWritten = (byte: number) => written.some(({ start, length }) => byte >= start && byte < start + length);
      const stable = new Set<number>();
      for (const { start, length, fileOffset } of places) {
        for (let byte = 0; byte < length; byte += 1) if (!isWritten(start + byte)) stable.add(fileOffset + byte);
      }
      const wanted = Array.from({ length: BLOCKS }, (_, block) =>
        Array.from({ length: BLOCK }, (_unused, byte) => block * BLOCK + byte).every((byte) => stable.has(byte)),
      );
      expect(untouchedBlocks(BLOCKS, BLOCK, places, written)).toEqual(wanted);
    }),
    { numRuns: 2_000 },
  );
});

test("a file grows by what is written where no data lies", () => {
  fc.assert(
    fc.property(extents, extents, (data, written) => {
      const holds = (all: typeof data, byte: number) =>
        all.some(({ start, length }) => byte >= start && byte < start + length);
      const places = data.map((extent) => ({ ...extent, fileOffset: extent.start }));
      const added = Array.from({ length: 64 }, (_, byte) => holds(written, byte) && !holds(data, byte));
      expect(differenceBytes(written, places)).toBe(added.filter((one) => one).length);
    }),
    { numRuns: 2_000 },
  );
});
