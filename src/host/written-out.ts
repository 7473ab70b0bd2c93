/**
 * A file that a child writes goes to the disk while it is written: at the end there is little left to wait for. And a
 * copy is summed behind the child, which costs no second reading.
 *
 * `convert` without -W writes one piece of at most 2 MiB after the other, in the guest's order (qemu-img(1)). Where its
 * data lies in that same order in the file, data so far behind the file's end belongs to pieces that were finished
 * before. The header and the tables are written anew until the end: blocks with anything of these are summed again.
 */
import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { sumOf, sumsOf } from "./block-sums.ts";
import { dataBlocks } from "./qcow2-blocks.ts";

/** More than a piece, of 16 MiB where a device wants such, and any tables among it. */
const BEHIND_BYTES = 32 * 1024 * 1024;
/** A disk that takes longer has enough to do; and whoever interrupts us waits for what is on its way. */
const LONGEST_FLUSH_MS = 1_000;
const LOOK_EVERY_MS = 20;
/** Between two flushes. One that comes late is long, and the child at its end by then (test/bench/REPORT.md). */
const PAUSE_MS = 2;

export interface WrittenSums {
  readonly blockBytes: number;
  /** The child is a `convert` that makes this file, a qcow2: what lies far behind its end is final. */
  readonly inOrder: boolean;
  /** Ends the summing, and with it the work: "interrupted". */
  readonly signal?: AbortSignal;
}

/**
 * Carries out `write`, which writes `path`, a file that is there and that nobody else writes. Afterwards all of it is
 * on the disk. Returns the sums of all its blocks where they are wanted. Throws what `write` throws, and what the disk
 * says of any part of it at any time: the kernel tells that once, and not to who opens the file afterwards (fsync(2)).
 */
export async function writtenOut(
  path: string,
  write: () => Promise<void>,
  wanted?: WrittenSums,
): Promise<readonly string[]> {
  const ending = new AbortController();
  const written = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  let file = written;
  try {
    // Whoever reads all of it tells what is wrong
    const early = wanted?.inOrder ? readBehind(written, path, wanted.blockBytes, ending.signal).catch(() => []) : [];
    await whileFlushed(written, ending, write);
    let sums = await early;
    const [read, named] = [await written.stat({ bigint: true }), await stat(path, { bigint: true })];
    if (read.ino !== named.ino || read.dev !== named.dev) {
      file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW); // `write` has made it anew
      sums = [];
    }
    const all = wanted === undefined ? [] : allSums(file, path, wanted, sums);
    return (await Promise.all([all, file.sync()]))[0];
  } finally {
    // An interruption need not wait for what is on its way to the disk: closing does.
    if (file !== written) await file.close();
    written.close().catch(() => undefined);
  }
}

/**
 * Carries out `write`, which writes into a file that is there. Afterwards all of it is on the disk. Throws as
 * `writtenOut`.
 */
export async function flushedMeanwhile(path: string, write: () => Promise<void>): Promise<void> {
  const file = await open(path, "r");
  try {
    await whileFlushed(file, new AbortController(), write);
    await file.sync();
  } finally {
    file.close().catch(() => undefined); // which waits for what is on its way: where `write` failed, nobody else does
  }
}

/** Carries out `write`, and sends meanwhile to the disk what it writes. `ending` tells when it has ended. */
async function whileFlushed(file: Written, ending: AbortController, write: () => Promise<void>): Promise<void> {
  const flushing = flushBehind(file, ending.signal);
  flushing.catch(() => undefined); // it is asked below, and where `write` fails that is the reason
  await write().finally(() => ending.abort());
  await flushing;
}

/** What is asked of a file that somebody writes. */
interface Written {
  stat(options: { readonly bigint: true }): Promise<{ readonly mtimeNs: bigint }>;
  datasync(): Promise<void>;
}

/** Sends to the disk what has come, again and again. Throws what the disk says. */
export async function flushBehind(file: Written, signal: AbortSignal): Promise<void> {
  const writtenNs = async () => (await file.stat({ bigint: true })).mtimeNs;
  for (let flushedNs = await writtenNs(); !signal.aborted; ) {
    const nowNs = await writtenNs();
    if (nowNs !== flushedNs) {
      const began = performance.now();
      await file.datasync();
      flushedNs = nowNs;
      if (performance.now() - began > LONGEST_FLUSH_MS) return;
    }
    await delay(PAUSE_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** The sums of its first so many blocks. */
async function readBehind(file: FileHandle, path: string, blockBytes: number, signal: AbortSignal): Promise<string[]> {
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

/** `early`: those of its first blocks, which hold where a block has nothing but data. */
async function allSums(
  file: FileHandle,
  path: string,
  { blockBytes, signal }: WrittenSums,
  early: readonly string[],
): Promise<readonly string[]> {
  const isFinal = early.length === 0 ? [] : await dataBlocks(file, blockBytes);
  const known = early.map((sum, index) => (isFinal[index] ? sum : null));
  return (await sumsOf(file, path, blockBytes, { known, ...(signal ? { signal } : {}) })).sums;
}
