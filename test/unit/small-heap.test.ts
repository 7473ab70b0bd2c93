import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";
import { afterEach, expect, test } from "vitest";
import { keepHeapSmall } from "../../src/small-heap.ts";

afterEach(() => setFlagsFromString("--heap-growing-percent=0"));

/** V8 refuses what it compiled under other flags, so it tells whether it knows one. */
function changesFlags(change: () => void): boolean {
  const cachedData = new Script("1").createCachedData();
  change();
  return new Script("1", { filename: "again", cachedData }).cachedDataRejected === true;
}

test("the heap is kept small where many files are looked at, and only there", () => {
  expect(changesFlags(() => keepHeapSmall(1_999))).toBe(false);
  expect(changesFlags(() => keepHeapSmall(2_000))).toBe(true);
});
