/** Checksums of large files, block by block, so that a changed one need not be read whole. */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { availableParallelism } from "node:os";
import type { BlockSums, BlockSumsOptions } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { lookAt, openOutside } from "../outside-file.ts";
import { sharedOut } from "../several-at-once.ts";
import type { Summing } from "./summing-threads.ts";

/** Below this a thread has hardly begun when all is read. */
const THREADS_FROM_BYTES = 64 * 1024 * 1024;
/** As many read at a time as libuv would have: more make a disk with heads seek. */
const MOST_THREADS = 4;

export async function blockSums(path: string, blockBytes: number, options: BlockSumsOptions = {}): Promise<BlockSums> {
  const file = await openRegular(path);
  try {
    return await sumsOf(file, path, blockBytes, options);
  } finally {
    await file.close();
  }
}

/** The same of a file that is open; `path`: for messages. */
export async function sumsOf(
  file: FileHandle,
  path: string,
  blockBytes: number,
  { known = [], onProgress, signal }: BlockSumsOptions = {},
): Promise<BlockSums> {
  const { size } = await file.stat();
  const blocks = Array.from({ length: Math.ceil(size / blockBytes) }, (_, index) => ({
    at: index * blockBytes,
    length: Math.min(blockBytes, size - index * blockBytes),
    known: known[index] ?? null,
  }));
  const unknown = blocks.filter((block) => block.known === null).length;
  const threads = unknown * blockBytes < THREADS_FROM_BYTES ? 1 : Math.min(availableParallelism(), MOST_THREADS);
  const hands = await summings(file, path, Math.min(blockBytes, size), threads);
  let done = 0;
  const sumOne = async (block: (typeof blocks)[number], { sum }: Summing) => {
    if (signal?.aborted) throw new EstratoError("interrupted", "interrupted");
    const found = block.known ?? (await sum(block.at, block.length));
    done += block.length;
    onProgress?.(done / size);
    return found;
  };
  try {
    return { sizeBytes: size, sums: await sharedOut(blocks, hands, sumOne) };
  } finally {
    await Promise.all(hands.map((hand) => hand.end()));
  }
}

async function summings(file: FileHandle, path: string, mostBytes: number, threads: number): Promise<Summing[]> {
  if (threads === 1) return [inProcess(file, path, mostBytes)];
  const { summingThread } = await import("./summing-threads.ts");
  return Array.from({ length: threads }, () => summingThread(file.fd, path));
}

function inProcess(file: FileHandle, path: string, mostBytes: number): Summing {
  const buffer = Buffer.allocUnsafe(mostBytes);
  return { sum: (at, length) => sumOf(file, buffer.subarray(0, length), at, path), end: async () => undefined };
}

/** The sum of as many bytes as the buffer holds. "failed" where the file ends before. */
export async function sumOf(file: FileHandle, buffer: Buffer, at: number, path: string): Promise<string> {
  for (let done = 0; done < buffer.length; ) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, at + done);
    if (bytesRead === 0) throw new EstratoError("failed", `${path}: it became shorter while it was read`);
    done += bytesRead;
  }
  return createHash("sha256").update(buffer).digest("hex");
}

/** Not through a link, and never waiting for a pipe's other end. */
async function openRegular(path: string): Promise<FileHandle> {
  try {
    return await openOutside(path, false);
  } catch (error) {
    if (error instanceof EstratoError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (code === "ENOENT" || code === "ENOTDIR")
      throw new EstratoError("not_found", `${path}: no such file`, { hint: "Check the path." });
    throw new EstratoError("host", `${path}: it cannot be read (${code})`, { hint: lookAt(path), cause: error });
  }
}
