/** The files of the records of things. */
import { closeSync, fsync, mkdirSync, openSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { discard, namesIn, readStored, syncFolder, temporaryName, textsIn } from "./durable-file.ts";
import { errnoOf } from "./host-error.ts";
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
    await replaceAll(folder, [...texts]);
    for (const name of gone) removeThing(join(folder, name));
    syncFolder(folder);
  }
  await replaceAll(folder, [[HEADER_FILE, header]], { durably: false });
}

/** By calls that wait, but for the fsyncs: a few small files of ours cost less so than by a thread for each call. */
async function replaceAll(
  folder: string,
  texts: readonly (readonly [name: string, text: string])[],
  { durably = true } = {},
): Promise<void> {
  for (let at = 0; at < texts.length; at += AT_ONCE) {
    const begun: Begun[] = [];
    try {
      for (const [name, text] of texts.slice(at, at + AT_ONCE)) begun.push(begin(join(folder, name), text));
      if (durably) await syncAll(begun);
      for (const { path, temporary } of begun) renameSync(temporary, path);
    } catch (error) {
      for (const { temporary } of begun) discard(temporary);
      throw error;
    } finally {
      for (const { fd } of begun) closeSync(fd);
    }
  }
}

/** A file that is to take the place of another. */
interface Begun {
  readonly path: string;
  readonly temporary: string;
  readonly fd: number;
}

function begin(path: string, text: string): Begun {
  const temporary = temporaryName(path);
  const fd = openSync(temporary, "wx", 0o600);
  try {
    writeFileSync(fd, text);
  } catch (error) {
    closeSync(fd);
    discard(temporary);
    throw error;
  }
  return { path, temporary, fd };
}

/** Throws what the disk refuses, when it has answered for all: none is closed while fsync(2) is at it. */
async function syncAll(files: readonly Begun[]): Promise<void> {
  const answers = await Promise.allSettled(files.map(({ fd }) => promisify(fsync)(fd)));
  for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
}

function removeThing(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}
