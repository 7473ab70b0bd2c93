/** What a disk holds: small disks, a byte for each cell of 4 KiB, each of which is filled with that byte. */
import { readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { sure } from "../e2e/processes.ts";
import type { Dice } from "./dice.ts";
import { encryptedName } from "./luks.ts";

export const CELL_BYTES = 4096;
export const MIB_CELLS = 1024 ** 2 / CELL_BYTES;

export type Content = Uint8Array;
export type Format = "qcow2" | "raw";

export const blank = (mib: number): Content => new Uint8Array(mib * MIB_CELLS);

/** As long as that at least; what is new reads as zeros. */
export function grownTo(content: Content, cells: number): Content {
  const grown = new Uint8Array(Math.max(cells, content.length));
  grown.set(content);
  return grown;
}

export interface Write {
  readonly at: number; // cells
  readonly cells: number;
  readonly byte: number; // 0: written as zeros
}

/** `text` is for qemu-io. */
export function ioLine({ at, cells, byte }: Write): string {
  const how = byte === 0 ? "write -z" : `write -P ${byte}`;
  return `${how} ${at * CELL_BYTES} ${cells * CELL_BYTES}`;
}

export function randomWrites(dice: Dice, cells: number): Write[] {
  return Array.from({ length: 1 + dice.below(3) }, () => {
    const at = dice.below(cells);
    return { at, cells: Math.min(1 + dice.below(64), cells - at), byte: dice.below(256) };
  });
}

export function written(content: Content, writes: readonly Write[]): Content {
  const after = content.slice();
  for (const { at, cells, byte } of writes) after.fill(byte, at, at + cells);
  return after;
}

/**
 * Reads a whole disk with all that it stands on, by qemu-img alone; `scratch` lies in the walk's folder. Throws where
 * it cannot be read, or where a cell is torn.
 */
export async function readContent(file: string, format: Format, scratch: string): Promise<Content> {
  const { options, name } = encryptedName(file, dirname(scratch)) ?? { options: ["-f", format], name: file };
  await sure("qemu-img", "convert", "-U", ...options, "-O", "raw", name, scratch);
  const raw = readFileSync(scratch);
  rmSync(scratch);
  const content = new Uint8Array(Math.ceil(raw.length / CELL_BYTES));
  for (let cell = 0; cell < content.length; cell += 1) {
    const bytes = raw.subarray(cell * CELL_BYTES, (cell + 1) * CELL_BYTES);
    if (!bytes.subarray(1).equals(bytes.subarray(0, -1))) throw new Error(`${file}: cell ${cell} is torn`);
    content[cell] = bytes[0] ?? 0;
  }
  return content;
}

/** Null: the same. A file may be longer than expected, where it was merged with that of a larger disk. */
export function difference(expected: Content, found: Content): string | null {
  if (found.length < expected.length) return `${found.length} cells, and ${expected.length} were expected`;
  for (let cell = 0; cell < expected.length; cell += 1)
    if (found[cell] !== expected[cell]) return `cell ${cell} reads ${found[cell]}, and ${expected[cell]} was written`;
  return null;
}
