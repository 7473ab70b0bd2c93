/** Sums of large files, which threads take, against those of the same bytes taken at once. */
import { createHash, randomBytes } from "node:crypto";
import { ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { blockSums, sumsOf } from "../../../src/host/block-sums.ts";

const MiB = 1024 ** 2;
const folder = mkdtempSync(join(tmpdir(), "estrato-sums-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Holes, and a piece at each of these places; enough for threads, and its last block is not whole. */
function largeFile(name: string): { readonly path: string; readonly sums: readonly string[] } {
  const [path, size] = [join(folder, name), 90 * MiB + 5];
  const bytes = Buffer.alloc(size);
  for (const at of [0, 4 * MiB - 3, 41 * MiB, size - 7]) randomBytes(7).copy(bytes, at);
  const file = openSync(path, "w");
  ftruncateSync(file, size);
  for (const at of [0, 4 * MiB - 3, 41 * MiB, size - 7]) writeSync(file, bytes, at, 7, at);
  const blocks = Array.from({ length: Math.ceil(size / (4 * MiB)) }, (_, index) =>
    bytes.subarray(index * 4 * MiB, (index + 1) * 4 * MiB),
  );
  return { path, sums: blocks.map((block) => createHash("sha256").update(block).digest("hex")) };
}

test("a large file is summed block by block, and what is known is not read", async () => {
  const { path, sums } = largeFile("large");
  const told: number[] = [];
  const found = await blockSums(path, 4 * MiB, { onProgress: (fraction) => told.push(fraction) });
  expect(found).toEqual({ sizeBytes: 90 * MiB + 5, sums });
  expect(told).toEqual(told.toSorted((a, b) => a - b));
  expect([told.length, told.at(-1)]).toEqual([sums.length, 1]);
  const known = sums.map((_, index) => (index === 3 || index === 22 ? "known" : null));
  const merged = await blockSums(path, 4 * MiB, { known });
  expect(merged.sums).toEqual(sums.map((sum, index) => known[index] ?? sum));
});

test("whoever interrupts waits for no more than the blocks that are read", async () => {
  const { path, sums } = largeFile("interrupted");
  const ending = new AbortController();
  let blocks = 0;
  const onProgress = () => {
    blocks += 1;
    ending.abort();
  };
  const reading = blockSums(path, 4 * MiB, { onProgress, signal: ending.signal });
  await expect(reading).rejects.toMatchObject({ code: "interrupted" });
  expect(blocks).toBeLessThan(sums.length);
});

test("one that ends before, or cannot be read, is told as such, and is nobody's afterwards", async () => {
  const { path } = largeFile("cut");
  const cut = await open(path, "r+");
  const shorten = () => ftruncateSync(cut.fd, MiB);
  await expect(sumsOf(cut, path, 4 * MiB, { onProgress: shorten })).rejects.toMatchObject({
    code: "failed",
    message: `${path}: it became shorter while it was read`,
  });
  await cut.close();
  const closed = await open(largeFile("written").path, "a"); // which reads nothing
  await expect(sumsOf(closed, path, 4 * MiB)).rejects.toMatchObject({ code: "EBADF" });
  await closed.close();
});
