/** Files that are either the old or the new whole, whatever happens, and still there after a power cut. */
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { EstratoError } from "../errors.ts";
import { readOutsideSync } from "../outside-file.ts";
import { syncNames } from "../synced-folder.ts";
import { errnoOf, hostError } from "./host-error.ts";

const TEMPORARY = /^\..+\.tmp$/;
/** Nobody needs an hour to write one small file. */
const ABANDONED_AFTER_MS = 3_600_000;

/**
 * Writes `text` to `path`, replacing what was there: temporary file, fsync, rename, fsync of the folder.
 * Durable when it returns; after a throw ("host") the old file is untouched, but where the disk failed on the folder
 * itself: then readers see the new one, which may not be there after a power cut. The folder must exist.
 */
export function writeDurably(path: string, text: string | Buffer, mode = 0o600): void {
  const temporary = temporaryName(path);
  try {
    const fd = openSync(temporary, "wx", mode);
    try {
      writeFileSync(fd, text); // loops over short writes, unlike one write()
      fchmodSync(fd, mode);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    discard(temporary);
    throw hostError(path, error);
  }
  syncFolder(dirname(path));
}

/** A name beside `path` that nobody else writes. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${uniqueInProcess()}.tmp`);
}

/** Removes what a failed write left, where that can be done at all: its own failure would hide the first one. */
export function discard(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is not there; or a file system turned read-only, and what is left is a temporary file that nobody reads.
  }
}

/** Removes `path` durably; where it is not there, nothing happens. */
export function removeDurably(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw hostError(path, error);
  }
  syncFolder(dirname(path));
}

/**
 * Makes a folder and all above it that are missing. Durable when it returns, each of them: a folder is a name in the
 * one above it. Throws "host".
 */
export function makeFoldersDurably(path: string, mode: number): void {
  try {
    const first = mkdirSync(path, { recursive: true, mode }); // the topmost that was made, if any
    if (first === undefined) return;
    for (let at = resolve(path); at.length >= first.length; at = dirname(at)) syncNames(dirname(at));
  } catch (error) {
    throw hostError(path, error);
  }
}

/** Makes the names in a folder of a store durable. Throws "host". */
export function syncFolder(path: string): void {
  try {
    syncNames(path);
  } catch (error) {
    throw hostError(path, error);
  }
}

/** Names in a folder, sorted, without dot files; [] where the folder is not there. */
export function namesIn(folder: string): string[] {
  return allNamesIn(folder)
    .filter((name) => !name.startsWith("."))
    .sort();
}

/** Ten thousand instances take a tenth of it. */
const LARGEST_BYTES = 256 * 1024 ** 2;

/** The text of a file in the store. Throws as readStoredBytes. */
export function readStored(path: string): string {
  return readStoredBytes(path).toString("utf8");
}

/**
 * What a file in the store holds. Throws what open(2) says; "host" where it is no regular file (a pipe would keep us
 * waiting), or larger than any of ours.
 */
export function readStoredBytes(path: string): Buffer {
  try {
    return readOutsideSync(path, LARGEST_BYTES);
  } catch (error) {
    if (!(error instanceof EstratoError)) throw error;
    throw new EstratoError("host", error.message, { hint: "Move it away: no estrato made it.", cause: error });
  }
}

/**
 * The files in a folder as text, by name; [] where the folder is not there. What goes while we look is left out, and
 * what holds no text: a folder, a pipe, a device.
 */
export function textsIn(folder: string): { path: string; text: string }[] {
  return namesIn(folder).flatMap((name) => {
    const path = join(folder, name);
    try {
      return isNoFile(path) ? [] : [{ path, text: readStored(path) }];
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return [];
      throw hostError(path, error);
    }
  });
}

/** Is there something that is no regular file, nor a link to one? */
export function isNoFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() === false;
  } catch (error) {
    if (errnoOf(error) === "ELOOP") return true;
    throw error;
  }
}

/**
 * Removes what killed writers left in a folder. Only what is old: the writer of a young one may be at work,
 * and would lose its file. `nowMs` counts as Date.now() does.
 */
export function removeAbandoned(folder: string, nowMs: number): void {
  for (const name of allNamesIn(folder)) {
    if (!TEMPORARY.test(name)) continue;
    const path = join(folder, name);
    const since = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    if (since !== undefined && nowMs - since > ABANDONED_AFTER_MS) discard(path);
  }
}

function allNamesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw hostError(folder, error);
  }
}

let written = 0;
function uniqueInProcess(): number {
  written += 1;
  return written;
}
