/**
 * Which clusters a qcow2 file holds itself, from its own tables: what `qemu-img map` says of the file alone, without a
 * process. Source: QEMU, docs/interop/qcow2.txt.
 */
import type { Extent } from "../core/model/host.ts";
import { eachEntry, isCompressed, offsetAt } from "./qcow2-entries.ts";
import { type Qcow2File, readQcow2 } from "./qcow2-file.ts";

const SUBCLUSTERS = 32;

/**
 * In rising order, each as long as can be. Null where only QEMU can tell: nothing is concluded from half a table.
 * `only`: without what reads as zeros.
 */
export async function qcow2Extents(path: string, only?: "data"): Promise<Extent[] | null> {
  return readQcow2(path, (found) => heldBy(found, only === "data"));
}

async function heldBy(found: Qcow2File, isData: boolean): Promise<Extent[] | null> {
  const { isExtended, clusterBytes } = found.tables;
  const extents = joined(Number(found.header.virtualSizeBytes));
  const whole = await eachEntry(found, (l2, at, start) => {
    const compressed = isCompressed(l2, at);
    if (isExtended && !compressed) addSubclusters(extents, l2, at, start, clusterBytes / SUBCLUSTERS, isData);
    else if (compressed || (readsAsZeros(l2, at) ? !isData : offsetAt(l2, at) !== 0)) extents.add(start, clusterBytes);
  });
  return whole ? extents.all : null;
}

/** Bit 0 of an entry; an old file has none set. */
function readsAsZeros(l2: Buffer, at: number): boolean {
  return (l2.readUInt32BE(at + 4) & 1) !== 0;
}

/** The second half of an extended entry: a bit for each part that reads as zeros, and one for each that has data. */
function addSubclusters(extents: Joined, l2: Buffer, at: number, start: number, bytes: number, isData: boolean): void {
  const held = l2.readUInt32BE(at + 12) | (isData ? 0 : l2.readUInt32BE(at + 8));
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
