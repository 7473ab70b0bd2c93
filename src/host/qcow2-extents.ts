/**
 * Which clusters a qcow2 file holds itself, from its own tables: what `qemu-img map` says of the file alone, without a
 * process. Source: QEMU, docs/interop/qcow2.txt.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { Extent } from "../core/model/host.ts";
import { INCOMPATIBLE, type Qcow2Header, readQcow2Header } from "./qcow2-header.ts";

const HEADER_BYTES = 2 ** 16;
/** QEMU's own limit (block/qcow2.h, QCOW_MAX_L1_SIZE). */
const LARGEST_L1_BYTES = 32 * 1024 ** 2;
/** What these files have is read here; of one that is torn, or keeps its data in another file, QEMU tells. */
const KNOWN_FEATURES = INCOMPATIBLE.compression | INCOMPATIBLE.extendedL2;
const SUBCLUSTERS = 32;

/** In rising order, each as long as can be. Null where only QEMU can tell: nothing is concluded from half a table. */
export async function qcow2Extents(path: string): Promise<Extent[] | null> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => null); // QEMU says why
  if (file === null) return null;
  try {
    const header = readQcow2Header((await read(file, 0, HEADER_BYTES)) ?? Buffer.alloc(0));
    if (typeof header === "string" || header.cryptMethod !== 0) return null;
    if ((header.incompatible & ~KNOWN_FEATURES) !== 0n || header.virtualSizeBytes > BigInt(Number.MAX_SAFE_INTEGER))
      return null;
    return await heldBy(file, header);
  } finally {
    await file.close();
  }
}

async function heldBy(file: FileHandle, header: Qcow2Header): Promise<Extent[] | null> {
  const isExtended = (header.incompatible & INCOMPATIBLE.extendedL2) !== 0n;
  const clusterBytes = 2 ** header.clusterBits;
  const entryBytes = isExtended ? 16 : 8;
  const tableBytes = (clusterBytes / entryBytes) * clusterBytes; // of the disk
  const sizeBytes = Number(header.virtualSizeBytes);
  const l1Bytes = header.l1Entries * 8;
  if (l1Bytes > LARGEST_L1_BYTES || header.l1Entries * tableBytes < sizeBytes) return null;
  const l1 = await readWhole(file, Number(header.l1Offset), l1Bytes);
  if (l1 === null) return null;
  const extents = joined(sizeBytes);
  for (let index = 0; index < header.l1Entries; index += 1) {
    const table = offsetAt(l1, index * 8);
    if (table === 0) continue;
    const l2 = await readWhole(file, table, clusterBytes);
    if (l2 === null) return null;
    for (let at = 0, start = index * tableBytes; at < clusterBytes; at += entryBytes, start += clusterBytes) {
      const isCompressed = (l2.readUInt32BE(at) & 0x40000000) !== 0;
      if (isExtended && !isCompressed) addSubclusters(extents, l2, at, start, clusterBytes / SUBCLUSTERS);
      else if (isCompressed || offsetAt(l2, at) !== 0 || readsAsZeros(l2, at)) extents.add(start, clusterBytes);
    }
  }
  return extents.all;
}

/** Bit 0 of an entry; an old file has none set. */
function readsAsZeros(l2: Buffer, at: number): boolean {
  return (l2.readUInt32BE(at + 4) & 1) !== 0;
}

/** The second half of an extended entry: a bit for each part that reads as zeros, and one for each that has data. */
function addSubclusters(extents: Joined, l2: Buffer, at: number, start: number, bytes: number): void {
  const held = l2.readUInt32BE(at + 8) | l2.readUInt32BE(at + 12);
  if (held === 0) return;
  for (let part = 0; part < SUBCLUSTERS; part += 1) {
    if ((held & (1 << part)) !== 0) extents.add(start + part * bytes, bytes);
  }
}

type Joined = ReturnType<typeof joined>;

/** Takes them in rising order; those that touch become one, and none reaches beyond the disk's end. */
function joined(sizeBytes: number) {
  const all: { start: number; length: number }[] = [];
  return {
    all,
    add(start: number, length: number): void {
      const held = Math.min(length, sizeBytes - start);
      if (held <= 0) return;
      const last = all.at(-1);
      if (last !== undefined && last.start + last.length === start) last.length += held;
      else all.push({ start, length: held });
    },
  };
}

/** Bits 9 to 55 of an entry: where in the file. */
function offsetAt(table: Buffer, at: number): number {
  return (table.readUInt32BE(at) & 0x00ffffff) * 2 ** 32 + ((table.readUInt32BE(at + 4) & 0xfffffe00) >>> 0);
}

async function read(file: FileHandle, at: number, length: number): Promise<Buffer | null> {
  try {
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await file.read(bytes, 0, length, at);
    return bytes.subarray(0, bytesRead);
  } catch {
    return null; // QEMU says why
  }
}

/** Null where the file ends before. */
async function readWhole(file: FileHandle, at: number, length: number): Promise<Buffer | null> {
  const bytes = length === 0 ? Buffer.alloc(0) : await read(file, at, length);
  return bytes?.length === length ? bytes : null;
}
