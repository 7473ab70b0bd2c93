/**
 * Checksums of a file while qemu-img writes it, taken behind it, so that a copy costs no second reading.
 *
 * `convert` without -W writes one piece of at most 2 MiB after the other, in the guest's order (qemu-img(1)). Where its
 * data lies in that same order in the file, data so far behind the file's end belongs to pieces that were finished
 * before. The header and the tables are written anew until the end: blocks with anything of these have sums that say
 * nothing.
 */
import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { sumOf } from "./block-sums.ts";

/** Many pieces, and more than any tables among them. */
const BEHIND_BYTES = 16 * 1024 * 1024;
const LOOK_EVERY_MS = 20;

/**
 * Carries out `write`, which writes `path`, a file that is there. Afterwards: the sums of its first so many blocks;
 * none where the file was replaced or could not be read. Throws what `write` throws.
 */
export async function sumsBehind(path: string, blockBytes: number, write: () => Promise<void>): Promise<string[]> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  const ending = new AbortController();
  try {
    // Whoever reads all of it tells what is wrong
    const reading = readOn(file, path, blockBytes, ending.signal).catch(() => []);
    await write().finally(() => ending.abort());
    const sums = await reading;
    const [read, named] = [await file.stat(), await stat(path)];
    return read.ino === named.ino && read.dev === named.dev ? sums : [];
  } finally {
    await file.close();
  }
}

async function readOn(file: FileHandle, path: string, blockBytes: number, signal: AbortSignal): Promise<string[]> {
  const sums: string[] = [];
  const buffer = Buffer.allocUnsafe(blockBytes);
  while (!signal.aborted) {
    const { size } = await file.stat();
    while (!signal.aborted && (sums.length + 1) * blockBytes + BEHIND_BYTES <= size) {
      sums.push(await sumOf(file, buffer, sums.length * blockBytes, path));
    }
    await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
  return sums;
}
