/** The entries of a qcow2 file's tables, one after the other. Source: QEMU, docs/interop/qcow2.txt. */
import { type Qcow2File, readWhole } from "./qcow2-file.ts";
import { withScratch } from "./scratch.ts";

/**
 * Hands `visit` each entry of the second level that is there: its table, its place in that, and where on the disk the
 * cluster begins, in rising order. False where a table is cut off: nothing is concluded from half of them.
 */
export async function eachEntry(
  { file, header, tables }: Qcow2File,
  visit: (l2: Buffer, at: number, start: number) => void,
): Promise<boolean> {
  const { clusterBytes, entryBytes, tableBytes } = tables;
  return withScratch(header.l1Entries * 8, (l1) =>
    withScratch(clusterBytes, async (l2) => {
      if (!(await readWhole(file, Number(header.l1Offset), l1))) return false;
      for (let index = 0; index < header.l1Entries; index += 1) {
        const table = offsetAt(l1, index * 8);
        if (table === 0) continue;
        if (!(await readWhole(file, table, l2))) return false;
        for (let at = 0, start = index * tableBytes; at < clusterBytes; at += entryBytes, start += clusterBytes)
          visit(l2, at, start);
      }
      return true;
    }),
  );
}

/** Bits 9 to 55 of an entry: where in the file. */
export function offsetAt(table: Buffer, at: number): number {
  return (table.readUInt32BE(at) & 0x00ffffff) * 2 ** 32 + ((table.readUInt32BE(at + 4) & 0xfffffe00) >>> 0);
}

export function isCompressed(l2: Buffer, at: number): boolean {
  return (l2.readUInt32BE(at) & 0x40000000) !== 0;
}

/**
 * Where the data of a compressed cluster lies: from a byte on, to the end of a sector in which the next may begin. How
 * many bits of the entry say where depends on the size of clusters.
 */
export function compressedAt(l2: Buffer, at: number, clusterBytes: number): { offset: number; length: number } {
  const bits = 62 - (Math.log2(clusterBytes) - 8);
  const entry = l2.readBigUInt64BE(at) & ((1n << 62n) - 1n);
  const offset = Number(entry & ((1n << BigInt(bits)) - 1n));
  const sectors = Number(entry >> BigInt(bits)); // beyond the one in which it begins
  return { offset, length: (sectors + 1) * 512 - (offset % 512) };
}
