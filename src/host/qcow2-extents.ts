/**
 * Which clusters a qcow2 file holds itself, from its own tables: what `qemu-img map` says of the file alone, without a
 * process. Source: QEMU, docs/interop/qcow2.txt.
 */
import type { Extent } from "../core/model/host.ts";
import { type Qcow2File, readQcow2, readWhole } from "./qcow2-file.ts";

const SUBCLUSTERS = 32;

/** In rising order, each as long as can be. Null where only QEMU can tell: nothing is concluded from half a table. */
export async function qcow2Extents(path: string): Promise<Extent[] | null> {
  return readQcow2(path, heldBy);
}

async function heldBy({ file, header, tables }: Qcow2File): Promise<Extent[] | null> {
  const { isExtended, clusterBytes, entryBytes, tableBytes } = tables;
  const l1 = await readWhole(file, Number(header.l1Offset), header.l1Entries * 8);
  if (l1 === null) return null;
  const extents = joined(Number(header.virtualSizeBytes));
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
