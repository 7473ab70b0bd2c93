import { expect, test } from "vitest";
import { finalSums } from "../../../../src/core/backups/early-sums.ts";
import { BLOCK_BYTES } from "../../../../src/core/backups/sums.ts";
import type { DataPlace } from "../../../../src/core/model/host.ts";
import type { World } from "../../../../src/core/ports.ts";

const EARLY = ["a", "b", "c", "d"];
const HALF = BLOCK_BYTES / 2;

const of = (places: readonly DataPlace[], early = EARLY) =>
  finalSums({ host: { dataPlaces: async () => places } } as unknown as World, "/copy", early);

/** Begin and length in the guest, begin in the file: in halves of a block. */
const places = (...all: readonly (readonly [number, number, number])[]): DataPlace[] =>
  all.map(([start, length, fileOffset]) => ({
    start: start * HALF,
    length: length * HALF,
    fileOffset: fileOffset * HALF,
  }));

test("a block that holds nothing but data keeps its sum", async () => {
  expect(await of(places([0, 6, 1]))).toEqual([null, "b", "c", null]); // half a block of tables before it
  expect(await of(places([0, 3, 2], [9, 3, 5]))).toEqual([null, "b", "c", "d"]);
});

test("a block with a table in it is read again", async () => {
  expect(await of(places([0, 3, 2], [3, 2, 6]))).toEqual([null, "b", null, "d"]);
});

test("where data does not lie in the guest's order, nothing is known", async () => {
  expect(await of(places([0, 2, 6], [2, 4, 2]))).toEqual([]);
  expect(await of(places([0, 4, 2], [4, 4, 4]))).toEqual([]);
});

test("of a file of which nothing was told, nothing is asked", async () => {
  expect(await finalSums({} as World, "/copy", [])).toEqual([]);
});
