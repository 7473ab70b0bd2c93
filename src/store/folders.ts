/** Makes the folders of a store, each with the mode that its content needs. */
import { accessSync, chmodSync, constants, mkdirSync, statSync } from "node:fs";
import { EstratoError } from "../errors.ts";
import { makeFoldersDurably, syncFolder } from "./durable-file.ts";
import { errnoOf, hostError } from "./host-error.ts";
import type { PathsInStore } from "./paths.ts";

const PRIVATE = 0o700;
/** QEMU runs as another user in system mode: it may pass through to a file it was told of, but not list. */
const PASSABLE = 0o711;

/**
 * Afterwards every folder of the store exists with its mode, and would after a power cut. Repeatable and cheap.
 * A home that was there before us keeps its mode, but for the right to pass that QEMU needs in system mode.
 * Throws "host" where a folder cannot be made, belongs to someone else, or may not be written to.
 */
export function makeFolders(paths: PathsInStore, systemMode: boolean): void {
  const open = systemMode ? PASSABLE : PRIVATE;
  makeHome(paths.home, open, systemMode);
  const made = [
    makeFolder(paths.layersFolder, open, PASSABLE),
    makeFolder(paths.seedsFolder, open),
    makeFolder(paths.consolesFolder, open),
    makeFolder(paths.knownHostsFolder, PRIVATE),
    makeFolder(paths.recordsFolder, PRIVATE),
    makeFolder(paths.nvramFolder, PRIVATE),
    makeFolder(paths.memoryFolder, PRIVATE),
    makeFolder(paths.journalFolder, PRIVATE),
    makeFolder(paths.locksFolder, PRIVATE),
    makeFolder(paths.copiesFolder, PRIVATE),
    makeFolder(paths.thingsFolder, PRIVATE),
  ];
  if (made.includes(true)) syncFolder(paths.home);
  requireWritable(paths);
}

/** Throws "host" where a folder that is there may not be written to: its file system is read-only, say. Reads only. */
export function requireWritable(paths: PathsInStore): void {
  const { home, layersFolder, recordsFolder, nvramFolder, memoryFolder, journalFolder } = paths;
  const inside = [layersFolder, recordsFolder, nvramFolder, memoryFolder, journalFolder, paths.locksFolder];
  for (const path of [home, ...inside, paths.copiesFolder, paths.thingsFolder]) {
    try {
      accessSync(path, constants.W_OK);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") continue;
      if (errnoOf(error) !== "EACCES" || statSync(path).uid !== process.geteuid?.()) throw hostError(path, error);
      throw new EstratoError("host", `${path}: its owner may not write to it`, {
        hint: `Give yourself that right: chmod u+w ${path}.`,
        cause: error,
      });
    }
  }
}

function makeHome(home: string, mode: number, systemMode: boolean): void {
  const before = modeOf(home);
  if (before === null) {
    makeFoldersDurably(home, mode);
    setMode(home, mode); // the umask may have narrowed it
  } else if (systemMode && (before & 0o111) !== 0o111) {
    setMode(home, before | 0o111);
  }
}

/** True when it was not there before. `widest`: what sharing an image may have made of its mode. */
function makeFolder(path: string, mode: number, widest = mode): boolean {
  const before = modeOf(path);
  if (before !== null && (before & mode) === mode && (before & ~widest) === 0) return false;
  try {
    mkdirSync(path, { recursive: true, mode });
  } catch (error) {
    throw hostError(path, error);
  }
  setMode(path, mode); // the umask may have narrowed it, or someone widened it
  return before === null;
}

function setMode(path: string, mode: number): void {
  try {
    chmodSync(path, mode);
  } catch (error) {
    throw hostError(path, error);
  }
}

function modeOf(path: string): number | null {
  try {
    return statSync(path).mode & 0o7777;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw hostError(path, error);
  }
}
