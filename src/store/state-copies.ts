/** The last good copies of the state, for the day that state.json itself is damaged. */
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { discard, namesIn, readStored, readStoredBytes } from "./durable-file.ts";

const KEPT = 5;
const NAME = /^([0-9]{12})-.+\.json$/;

/** A copy that can be restored. */
export interface GoodCopy<T> {
  readonly path: string;
  readonly number: number;
  readonly content: T;
}

/**
 * Copies the state that was just stored, and returns the paths of the oldest beyond the five newest, which are to go.
 * The state lock is held. A copy, no hard link: whoever damages state.json in place must not damage its copy with it.
 * Named by the number of the write, which alone says the order (clocks go back), and by `now` for people. Not fsynced:
 * state.json is, and a copy torn by a power cut is passed over.
 */
export async function keepCopy(stateFile: string, folder: string, number: number, now: Date): Promise<string[]> {
  const kept = copiesIn(folder);
  const time = now.toISOString().replaceAll(/[-:.]/g, "");
  const path = join(folder, `${String(number).padStart(12, "0")}-${time}.json`);
  try {
    await copyFile(stateFile, path);
  } catch {
    // The update itself is stored and durable: to call it failed now would be the lie. The next update copies again.
    discard(path);
    return [];
  }
  return kept.slice(0, Math.max(0, kept.length + 1 - KEPT)).map((name) => join(folder, name));
}

/** Whether anything was ever copied: if so, a missing state.json is a loss and no first use. */
export function hasCopies(folder: string): boolean {
  return copiesIn(folder).length > 0;
}

/** The number of the newest one, whether it is good or not; 0 where there is none. */
export function newestNumber(folder: string): number {
  return counterOf(copiesIn(folder).at(-1));
}

/** Does a copy of that write say the same, byte by byte? What cannot be read is no proof. */
export function isCopied(bytes: Buffer, folder: string, number: number): boolean {
  const names = copiesIn(folder).filter((name) => counterOf(name) === number);
  try {
    return names.some((name) => bytes.equals(readStoredBytes(join(folder, name))));
  } catch {
    return false;
  }
}

/** The newest copy that `parse` accepts (it throws for a bad one); null where there is none. */
export function newestGoodCopy<T>(folder: string, parse: (text: string, path: string) => T): GoodCopy<T> | null {
  for (const name of copiesIn(folder).reverse()) {
    const path = join(folder, name);
    try {
      return { path, number: counterOf(name), content: parse(readStored(path), path) };
    } catch {
      // Torn or damaged like the state itself: an older one may do.
    }
  }
  return null;
}

/** Oldest first. */
function copiesIn(folder: string): string[] {
  return namesIn(folder).filter((name) => NAME.test(name));
}

function counterOf(name: string | undefined): number {
  return name === undefined ? 0 : Number(NAME.exec(name)?.[1] ?? 0);
}
