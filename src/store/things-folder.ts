/** The files of the records of things. */
import { mkdirSync, renameSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { discard, namesIn, readStored, syncFolder, temporaryName, textsIn } from "./durable-file.ts";
import { HEADER_FILE, type Header, headerOf, type Writing } from "./things.ts";

const DAMAGED_FOLDER = "damaged";

/** Which write of the state the records are of; null where there are none, or nobody can say. */
export function readHeader(folder: string): Header | null {
  try {
    return headerOf(readStored(join(folder, HEADER_FILE)));
  } catch {
    return null;
  }
}

/** All files, by name. */
export function readFiles(folder: string): Map<string, string> {
  return new Map(textsIn(folder).map(({ path, text }) => [path.slice(folder.length + 1), text]));
}

export function hasAny(folder: string): boolean {
  return namesIn(folder).length > 0;
}

/** Records that were put aside. */
export function readAside(folder: string): { path: string; text: string }[] {
  return textsIn(join(folder, DAMAGED_FOLDER));
}

/** Of a large store, all that is there may be more than a process may have open. */
const AT_ONCE = 32;

/**
 * Writes what has changed, many files at once (the disk takes their fsyncs together), then the header, which needs
 * none: where it is lost or old, the next write compares everything. Throws what the disk refuses; the header is the
 * old one then.
 */
export async function writeFiles(folder: string, { texts, gone, aside }: Writing, header: string): Promise<void> {
  if (texts.size > 0 || gone.length > 0 || aside.length > 0) {
    for (const name of aside) {
      mkdirSync(join(folder, DAMAGED_FOLDER), { recursive: true, mode: 0o700 });
      renameSync(join(folder, name), join(folder, DAMAGED_FOLDER, name));
    }
    await manyAtOnce([...texts], ([name, text]) => replace(join(folder, name), text, true));
    await manyAtOnce(gone, (name) => rm(join(folder, name), { force: true }));
    syncFolder(folder);
  }
  await replace(join(folder, HEADER_FILE), header, false);
}

async function manyAtOnce<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += AT_ONCE) await Promise.all(all.slice(at, at + AT_ONCE).map(work));
}

async function replace(path: string, text: string, durable: boolean): Promise<void> {
  const temporary = temporaryName(path);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    discard(temporary);
    throw error;
  }
}
