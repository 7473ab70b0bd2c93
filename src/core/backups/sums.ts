/**
 * The checksums of a backup's disk: a line for each block of its file, so that a changed block is found and named, and
 * a merge reads only what it changed.
 */
import { EstratoError } from "../../errors.ts";
import type { BlockSums } from "../model/host.ts";

export const BLOCK_BYTES = 4 * 1024 * 1024;
/** A block is read whole. */
const MOST_BLOCK_BYTES = 256 * 1024 * 1024;
const HEADER = /^estrato-sums 1 sha256 (\d{1,16}) (\d{1,16})$/;

/** As the file of them has it: other versions may have taken larger blocks, or smaller ones. */
export interface Sums extends BlockSums {
  readonly blockBytes: number;
}

/** How long the text of a file's sums is at most. */
export function sumsBytes(fileBytes: number): number {
  return LONGEST_HEADER_BYTES + Math.ceil(fileBytes / BLOCK_BYTES) * LINE_BYTES;
}

const LINE_BYTES = 65; // SHA-256 in hex digits, and the end of the line
const LONGEST_HEADER_BYTES = 64;

/** First line: the algorithm, bytes of a block, bytes of the file. */
export function sumsText({ sizeBytes, sums }: BlockSums): string {
  return `estrato-sums 1 sha256 ${BLOCK_BYTES} ${sizeBytes}\n${sums.map((sum) => `${sum}\n`).join("")}`;
}

/** Throws "integrity" where it is no such text. */
export function parseSums(text: string, where: string): Sums {
  const [header = "", ...lines] = text.split("\n");
  const found = HEADER.exec(header);
  const sums = lines.slice(0, -1);
  const [blockBytes, sizeBytes] = [Number(found?.[1]), Number(found?.[2])];
  const whole =
    found !== null &&
    blockBytes > 0 &&
    blockBytes <= MOST_BLOCK_BYTES &&
    lines.at(-1) === "" &&
    sums.length === Math.ceil(sizeBytes / blockBytes) &&
    sums.every((sum) => /^[0-9a-f]{64}$/.test(sum));
  if (whole) return { blockBytes, sizeBytes, sums };
  throw new EstratoError("integrity", `${where}: damaged: these are no checksums`);
}
