/**
 * The tables of a qcow2 file from outside: what they name is in the file, and no place of it is named twice. Else a few
 * kilobytes could be read as terabytes, by us and by every guest. Source: QEMU, docs/interop/qcow2.txt.
 */
import type { FileHandle } from "node:fs/promises";
import { INCOMPATIBLE, LARGEST_L1_BYTES, type Qcow2Header } from "./qcow2-header.ts";

const OFFSET = 0x00fffffffffffe00n;
const COMPRESSED = 1n << 62n;
/** No cluster is compressed into less; several share a place. */
const LEAST_COMPRESSED_BYTES = 16;
/** A place of each cluster is remembered by one bit: of files of up to 32 TiB in clusters of 64 KiB. */
const MOST_BITS = 2 ** 29;

/** Why an image is not to be read; null: its tables can be believed. Reads them, and no data. */
export async function faultOfTables(file: FileHandle, header: Qcow2Header, fileBytes: number): Promise<string | null> {
  const l1Bytes = header.l1Entries * 8;
  if (l1Bytes > LARGEST_L1_BYTES) return "its tables are larger than tables may be";
  const clusterBytes = 2 ** header.clusterBits;
  const claim = claimsOf(fileBytes, clusterBytes);
  const entryBytes = (header.incompatible & INCOMPATIBLE.extendedL2) === 0n ? 8 : 16;
  const l1 = await read(file, Number(header.l1Offset), l1Bytes);
  const l2 = Buffer.allocUnsafe(clusterBytes);
  for (let at = 0; at + 8 <= l1.length; at += 8) {
    const table = Number(l1.readBigUInt64BE(at) & OFFSET);
    if (table === 0) continue;
    const fault = claim.place(table);
    if (fault !== null) return fault;
    const { bytesRead } = await file.read(l2, 0, clusterBytes, table);
    for (let entry = 0; entry + entryBytes <= bytesRead; entry += entryBytes) {
      const high = l2.readUInt32BE(entry);
      const low = l2.readUInt32BE(entry + 4);
      if (high === 0 && low === 0) continue;
      const found = l2.readBigUInt64BE(entry);
      const claimed = (found & COMPRESSED) === 0n ? claim.place(Number(found & OFFSET)) : claim.compressed();
      if (claimed !== null) return claimed;
    }
  }
  return null;
}

const BEYOND = "its tables name places beyond its end";
const TWICE = "its tables name one place more than once";

/** What has been named so far; each answers with a fault. */
function claimsOf(fileBytes: number, clusterBytes: number) {
  const clusters = Math.ceil(fileBytes / clusterBytes);
  const seen = new Uint8Array(Math.ceil(Math.min(clusters, MOST_BITS) / 8));
  let places = 0;
  let compressed = 0;
  return {
    place(offset: number): string | null {
      if (offset === 0) return null; // it reads as zeros
      const cluster = Math.floor(offset / clusterBytes);
      // QEMU lets the last cluster end where the file does, and reads what is beyond as zeros
      if (cluster > clusters) return BEYOND;
      places += 1;
      if (places > clusters + 1) return TWICE;
      const [byte, bit] = [cluster >> 3, 1 << (cluster & 7)];
      if (byte >= seen.length) return null;
      if (((seen[byte] ?? 0) & bit) !== 0) return TWICE;
      seen[byte] = (seen[byte] ?? 0) | bit;
      return null;
    },
    compressed(): string | null {
      compressed += 1;
      return compressed * LEAST_COMPRESSED_BYTES > fileBytes ? TWICE : null;
    },
  };
}

async function read(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, at);
  return bytes.subarray(0, bytesRead);
}
