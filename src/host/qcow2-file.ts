/**
 * A qcow2 file that we read ourselves, where a process for each would take seconds: only one that QEMU would open
 * without a word. Of all others QEMU tells.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import {
  EXTENSION,
  HEADER_BYTES,
  INCOMPATIBLE,
  LARGEST_L1_BYTES,
  type Qcow2Header,
  readQcow2Header,
} from "./qcow2-header.ts";
import { withScratch } from "./scratch.ts";

const KNOWN_FEATURES = INCOMPATIBLE.compression | INCOMPATIBLE.extendedL2;
const KNOWN_EXTENSIONS: readonly number[] = [EXTENSION.backingFormat, EXTENSION.featureNames];

export interface Qcow2File {
  readonly file: FileHandle;
  readonly header: Qcow2Header;
  /** The beginning of the file, in which the header's words are; void when the file is closed. */
  readonly bytes: Buffer;
  readonly allocatedBytes: number;
  readonly tables: TableShape;
}

export interface TableShape {
  readonly isExtended: boolean;
  readonly clusterBytes: number;
  readonly entryBytes: number;
  /** Of the disk: what a table of the second level stands for. */
  readonly tableBytes: number;
}

/**
 * What `use` makes of the file; null where only QEMU can tell: it cannot be read, is torn or encrypted, keeps its data
 * elsewhere, has snapshots or bitmaps of its own, or its tables are not where they must be.
 */
export async function readQcow2<T>(path: string, use: (found: Qcow2File) => Promise<T | null>): Promise<T | null> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => null);
  if (file === null) return null;
  try {
    return await withScratch(HEADER_BYTES, async (memory) => {
      const found = await openedQcow2(file, memory, false);
      return found === null ? null : use(found);
    });
  } finally {
    await file.close();
  }
}

/**
 * The same of a file that is open, whose header is read into `memory`. `evenEncrypted`: the tables of an encrypted one
 * can be read all the same.
 */
export async function openedQcow2(file: FileHandle, memory: Buffer, evenEncrypted: boolean): Promise<Qcow2File | null> {
  const stat = await file.stat();
  const bytes = stat.isFile() ? await read(file, 0, memory) : null;
  const header = bytes === null ? "no file" : readQcow2Header(bytes);
  if (bytes === null || typeof header === "string" || header.snapshots !== 0) return null;
  if (header.cryptMethod !== 0 && !evenEncrypted) return null;
  if ((header.incompatible & ~KNOWN_FEATURES) !== 0n) return null;
  const known = evenEncrypted ? [...KNOWN_EXTENSIONS, EXTENSION.encryption] : KNOWN_EXTENSIONS;
  if (header.extensions.some(({ type }) => !known.includes(type))) return null;
  if (header.virtualSizeBytes > BigInt(Number.MAX_SAFE_INTEGER)) return null;
  const tables = shapeOf(header);
  const l1Bytes = header.l1Entries * 8;
  if (l1Bytes > LARGEST_L1_BYTES || header.l1Entries * tables.tableBytes < Number(header.virtualSizeBytes)) return null;
  const refcountBytes = header.refcountTableClusters * tables.clusterBytes;
  const ends = [Number(header.l1Offset) + l1Bytes, Number(header.refcountTableOffset) + refcountBytes];
  if (ends.some((end) => end > stat.size)) return null;
  return { file, header, bytes, allocatedBytes: stat.blocks * 512, tables };
}

function shapeOf(header: Qcow2Header): TableShape {
  const isExtended = (header.incompatible & INCOMPATIBLE.extendedL2) !== 0n;
  const clusterBytes = 2 ** header.clusterBits;
  const entryBytes = isExtended ? 16 : 8;
  return { isExtended, clusterBytes, entryBytes, tableBytes: (clusterBytes / entryBytes) * clusterBytes };
}

async function read(file: FileHandle, at: number, memory: Buffer): Promise<Buffer | null> {
  try {
    const { bytesRead } = await file.read(memory, 0, memory.length, at);
    return memory.subarray(0, bytesRead);
  } catch {
    return null; // QEMU says why
  }
}

/** Fills the memory from there on; false where the file ends before. */
export async function readWhole(file: FileHandle, at: number, memory: Buffer): Promise<boolean> {
  return memory.length === 0 || (await read(file, at, memory))?.length === memory.length;
}
