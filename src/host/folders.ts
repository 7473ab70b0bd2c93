/** Folders that come and go, and small files that are written and read as a whole. */
import { constants } from "node:fs";
import { type FileHandle, lstat, mkdir, open, readdir, rename, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { descriptorPath, forgetDescriptor } from "../descriptor-names.ts";
import { EstratoError } from "../errors.ts";
import { openOutside } from "../outside-file.ts";
import { fileInfo, moveFile, namingFile, removeDurably, removeFile, syncPath } from "./files.ts";
import { temporaryName } from "./temporary-files.ts";

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "";

/** Mode 0700; one that is there stays as it is. Durable. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) === "EEXIST") return;
    throw error;
  }
  await syncPath(dirname(path));
}

/**
 * "conflict" where something is in it: the look and the removal are one step of the kernel's. Done where it is not
 * there.
 */
export async function removeFolder(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    if (codeOf(error) === "ENOTEMPTY" || codeOf(error) === "EEXIST") {
      throw new EstratoError("conflict", `${path}: the folder is not empty`, { cause: error });
    }
    throw error;
  }
  await syncPath(dirname(path));
}

/** Gives a folder its name; done where `from` has gone and `to` is there, "conflict" where both are. Durable. */
export async function moveFolder(from: string, to: string): Promise<void> {
  const [source, target] = await Promise.all([fileInfo(from), fileInfo(to)]);
  if (source === null && target?.isFolder) return;
  if (target !== null) throw new EstratoError("conflict", `${to}: it is there already`);
  await rename(from, to);
  await syncPath(dirname(to));
}

/**
 * A folder and the files in it. "conflict", with all left as it is, where there is a folder in it: that is none of
 * ours. Of a link nothing goes but itself: where others may write, it could lead to any folder of this machine.
 * Durable.
 */
export async function discardFolder(path: string): Promise<void> {
  const folder = await openFolder(path);
  if (folder === null) return removeDurably(path);
  const at = descriptorPath(folder.fd, path); // whatever becomes of its name
  try {
    const entries = await readdir(at, { withFileTypes: true });
    const inner = entries.find((entry) => entry.isDirectory());
    if (inner !== undefined) throw new EstratoError("conflict", `${path}: there is a folder in it (${inner.name})`);
    for (const entry of entries) await removeFile(`${at}/${entry.name}`);
  } finally {
    forgetDescriptor(at);
    await folder.close();
  }
  await removeFolder(path);
}

/** Null where there is none, or a link. */
async function openFolder(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    if (!["ENOENT", "ENOTDIR", "ELOOP"].includes(codeOf(error))) throw error;
    const found = await lstat(path).catch(() => null);
    if (found === null || found.isSymbolicLink()) return null;
    throw error;
  }
}

/**
 * Puts a new file of that mode, whatever the umask, in the place of what was there: whole, or not at all. Durable.
 * `ifNone`: what is there stays, also what came to be there while we wrote.
 */
export async function writeWhole(
  path: string,
  content: string | Uint8Array,
  mode = 0o600,
  ifNone = false,
): Promise<void> {
  const part = temporaryName(path);
  try {
    const file = await open(part, "wx", 0o600);
    try {
      await file.writeFile(content);
      if (mode !== 0o600) await file.chmod(mode);
      await file.sync();
    } finally {
      await file.close();
    }
    if (ifNone) await moveFile(part, path, false);
    else await rename(part, path);
  } catch (error) {
    await removeFile(part);
    if (ifNone && error instanceof EstratoError && error.code === "conflict") return;
    throw namingFile(error, part, path);
  }
  await syncPath(dirname(path));
}

/**
 * A regular file of at most `maxBytes` that we may read, and its owner, who wrote it or let it be written; null for
 * anything else.
 */
export async function readText(path: string, maxBytes: number): Promise<{ text: string; uid: number } | null> {
  try {
    // No link is followed, since who owns the folder could point it anywhere.
    const file = await openOutside(path, false);
    try {
      const stat = await file.stat();
      if (stat.size > maxBytes) return null;
      const bytes = Buffer.alloc(stat.size);
      const { bytesRead } = await file.read(bytes, 0, stat.size, 0);
      return { text: bytes.toString("utf8", 0, bytesRead), uid: stat.uid };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof EstratoError || ["ENOENT", "ENOTDIR", "EACCES", "EPERM"].includes(codeOf(error))) return null;
    throw error;
  }
}
