/**
 * A file from outside, opened and read so that it can keep nobody waiting, and is no larger than what it is for.
 * Whatever else reads such a file is wrong. A leaf: every part may import it.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { EstratoError } from "./errors.ts";

/** Without O_NONBLOCK the opening of a pipe waits for its other end, and some devices for ever. */
const READING = constants.O_RDONLY | constants.O_NONBLOCK;

export interface OutsideRules {
  readonly maxBytes: number;
  /** False: where the name is a link, it is refused. */
  readonly followed?: boolean;
  /** A person named it, who may mean a pipe: `<(…)`, /dev/stdin. It must bring something within `waitMs` each time. */
  readonly mayBePipe?: boolean;
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Opens a regular file. Throws what open(2) says; "host" where it is something else (a pipe, a device, a folder, and a
 * link where none is followed).
 */
export async function openOutside(path: string, followed = true): Promise<FileHandle> {
  const file = await open(path, followed ? READING : READING | constants.O_NOFOLLOW).catch(toldOf(path));
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw irregular(path);
}

/** All that it holds. Throws as openOutside; "host" where it is larger than it may be, or a pipe brings nothing. */
export async function readOutside(path: string, rules: OutsideRules): Promise<Buffer> {
  if (rules.mayBePipe !== true) {
    const file = await openOutside(path, rules.followed);
    try {
      if ((await file.stat()).size > rules.maxBytes) throw tooLarge(path, rules.maxBytes);
      return await readOn(file, path, rules);
    } finally {
      await file.close();
    }
  }
  const file = await open(path, READING).catch(toldOf(path));
  try {
    return await readOn(file, path, rules);
  } finally {
    await file.close();
  }
}

/** The same of a regular file, at once: for what is read before anything can be waited for. */
export function readOutsideSync(path: string, maxBytes: number): Buffer {
  const fd = opened(path);
  try {
    const found = fstatSync(fd);
    if (!found.isFile()) throw irregular(path);
    if (found.size > maxBytes) throw tooLarge(path, maxBytes);
    const bytes = Buffer.alloc(found.size);
    let at = 0;
    for (let got = -1; got !== 0 && at < bytes.length; at += got)
      got = readSync(fd, bytes, at, bytes.length - at, null);
    return bytes.subarray(0, at);
  } finally {
    closeSync(fd);
  }
}

function opened(path: string): number {
  try {
    return openSync(path, READING);
  } catch (error) {
    return toldOf(path)(error as NodeJS.ErrnoException);
  }
}

const PIECE_BYTES = 64 * 1024;
const LOOK_MS = 20;
const WAIT_MS = 30_000;

async function readOn(file: FileHandle, path: string, rules: OutsideRules): Promise<Buffer> {
  const { maxBytes, waitMs = WAIT_MS, signal } = rules;
  const isPipe = (await file.stat()).isFIFO();
  const pieces: Buffer[] = [];
  let length = 0;
  let lastMs = performance.now();
  for (;;) {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    const got = await file.read(piece, 0, PIECE_BYTES, null).then(({ bytesRead }) => bytesRead, nothingYet);
    // A pipe that nobody has opened yet for writing ends at once, as one does whose writer has gone.
    if (got === 0 && !(isPipe && length === 0)) return Buffer.concat(pieces);
    if (got > 0) {
      pieces.push(piece.subarray(0, got));
      length += got;
      lastMs = performance.now();
    }
    if (length > maxBytes) throw tooLarge(path, maxBytes);
    if (got > 0) continue;
    if (performance.now() - lastMs >= waitMs) {
      throw new EstratoError("host", `${path}: nothing comes out of it`, {
        hint: "Name a file, or a pipe that is fed.",
      });
    }
    await delay(LOOK_MS, undefined, signal === undefined ? {} : { signal }).catch((cause) => {
      throw new EstratoError("interrupted", "interrupted: nothing has changed", { cause });
    });
  }
}

const NOTHING_YET = -1;

function nothingYet(error: NodeJS.ErrnoException): number {
  if (error.code === "EAGAIN") return NOTHING_YET;
  throw error;
}

function toldOf(path: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    // A link that is not followed, and a socket or a device without a driver.
    throw error.code === "ELOOP" || error.code === "ENXIO" ? irregular(path, error) : error;
  };
}

function irregular(path: string, cause?: unknown): EstratoError {
  return new EstratoError("host", `${path}: it is no regular file`, { hint: "Name a file.", cause });
}

function tooLarge(path: string, maxBytes: number): EstratoError {
  const size = maxBytes >= 1024 ** 2 ? `${Math.floor(maxBytes / 1024 ** 2)} MiB` : `${maxBytes} bytes`;
  return new EstratoError("host", `${path}: larger than ${size}`, { hint: "Check that it is the file you mean." });
}

/** What to do about a file that cannot be read: its owner, its mode, and those of each folder above it. */
export function lookAt(path: string): string {
  return `See who may: namei -l ${path}.`;
}
