/**
 * A part of what backups hold, to be read where reading all of it takes too long. Each block of each file has one of a
 * hundred places on a ring, and a share is an arc of that ring: the arcs of successive shares follow each other, so
 * that all is read after one turn, and nothing is left to chance.
 */
import { sha256 } from "./manifest.ts";

const PLACES = 100;
const DAY_MS = 86_400_000;

export interface Share {
  /** 1 to 100. */
  readonly percent: number;
  /** The place where it begins, 0 to 99. */
  readonly from: number;
}

/** The one that follows it. */
export function nextShare({ percent, from }: Share): Share {
  return { percent, from: (from + percent) % PLACES };
}

/** That of a day: those of successive days follow each other, whoever asks. */
export function shareOfDay(percent: number, day: Date): Share {
  return { percent, from: (Math.floor(day.getTime() / DAY_MS) * percent) % PLACES };
}

/**
 * For each block of a file of the backup `id` whether it is in the share. Where a file begins on the ring depends on
 * its name: else of files with a block or two all would be in the same share.
 */
export function blocksIn({ percent, from }: Share, id: string, file: string, count: number): boolean[] {
  const begin = Number.parseInt(sha256(`${id} ${file}`).slice(0, 8), 16);
  return Array.from({ length: count }, (_, index) => (((begin + index - from) % PLACES) + PLACES) % PLACES < percent);
}
