/** Small files that a command line names. "-" is standard input. */
import { accessSync, closeSync, constants, fsyncSync, lstatSync, openSync, rmSync, writeSync } from "node:fs";
import { chmod, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { addAbortSignal } from "node:stream";
import { EstratoError } from "../../errors.ts";
import { readOutside } from "../../outside-file.ts";
import { syncNames } from "../../synced-folder.ts";
import { ANSWERS } from "../../system-answer.ts";
import type { Streams } from "../../ui/streams.ts";

const LARGEST_BYTES = 1024 * 1024;

/**
 * The text of a file, or of a pipe (`<(…)`). Throws "not_found" where there is none, "host" where it cannot be
 * read or is larger than 1 MiB; `signal` ends the reading.
 */
export async function readTextFile(
  path: string,
  streams: Pick<Streams, "stdin">,
  signal: AbortSignal,
): Promise<string> {
  const bytes = path === "-" ? await readStdin(streams, signal) : await readSmall(path, signal);
  return bytes.toString("utf8");
}

/** The bytes of a file, or of a pipe, that a person has named; at most `maxBytes`. Throws as readTextFile. */
export async function readSmall(path: string, signal: AbortSignal, maxBytes = LARGEST_BYTES): Promise<Buffer> {
  try {
    return await readOutside(path, { maxBytes, mayBePipe: true, signal });
  } catch (error) {
    throw error instanceof EstratoError ? error : fileError(path, error, "read");
  }
}

async function readStdin({ stdin }: Pick<Streams, "stdin">, signal: AbortSignal): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  try {
    for await (const piece of addAbortSignal(signal, stdin)) {
      const bytes = Buffer.from(piece as string | Buffer);
      length += bytes.length;
      if (length > LARGEST_BYTES) throw tooLarge("standard input");
      pieces.push(bytes);
    }
  } catch (cause) {
    if (signal.aborted) throw new EstratoError("interrupted", "interrupted: nothing has changed", { cause });
    throw cause;
  }
  return Buffer.concat(pieces);
}

/** For a dry run: throws what writeSecretFile would, as far as can be seen. */
export function requireNewFile(path: string): void {
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined)
      throw Object.assign(new Error("it is there"), { code: "EEXIST" });
    accessSync(dirname(path), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw fileError(path, error, "written");
  }
}

/**
 * Makes a file of mode 0600. Throws "conflict" where there is one of that name, "not_found" where there is no such
 * folder, "host" where it cannot be written.
 */
export function writeSecretFile(path: string, text: string): void {
  let fd: number;
  try {
    fd = openSync(path, "wx", 0o600);
  } catch (error) {
    throw fileError(path, error, "written");
  }
  try {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    // There is no other copy of it: it is on the disk before anything is said to be done.
    fsyncSync(fd);
    syncNames(dirname(path));
  } catch (error) {
    rmSync(path, { force: true });
    throw fileError(path, error, "written");
  } finally {
    closeSync(fd);
  }
}

/** A file whose mode is this, whatever the umask says: one of the two, old or new, is there at any time. */
export async function replaceFile(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const making = `${path}.estrato.making`;
  await writeFile(making, content, { mode });
  await chmod(making, mode);
  await rename(making, path);
}

const WHY: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  EACCES: ["permission denied", "Check who may use it."],
  EISDIR: ["it is a folder", "Name a file."],
  ENOTDIR: ["a part of the path is no folder", "Check the path."],
  ENOSPC: ["the disk is full", "Free some space."],
};

function fileError(path: string, cause: unknown, done: "read" | "written"): EstratoError {
  const errno = (cause as NodeJS.ErrnoException).code ?? "";
  if (errno === "EEXIST") {
    return new EstratoError("conflict", `${path}: it is there already`, { hint: "Name a new file.", cause });
  }
  if (errno === "ENOENT")
    return new EstratoError("not_found", `${path}: there is no such file or folder`, {
      hint: "Check the path.",
      cause,
    });
  const [why, hint] = WHY[errno] ??
    ANSWERS[errno] ?? [`it cannot be ${done} (${errno || String(cause)})`, "Check the path."];
  return new EstratoError("host", `${path}: ${why}`, { hint, cause });
}

function tooLarge(path: string): EstratoError {
  return new EstratoError("host", `${path}: larger than 1 MiB`, { hint: "Check that it is the file you mean." });
}
