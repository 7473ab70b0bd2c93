/** Folders that come and go, and small files that are written and read as a whole. */
import { constants } from "node:fs";
import { mkdir, open, rename, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { EstratoError } from "../errors.ts";
import { removeFile, syncPath, temporaryName } from "./files.ts";

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

/** "conflict" where something is in it: the look and the removal are one step of the kernel's. Done where it is not there. */
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

/** Puts a new file of mode 0600 in the place of what was there: whole, or not at all. Durable. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const part = temporaryName(path);
  try {
    const file = await open(part, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, path);
  } catch (error) {
    await removeFile(part);
    throw error;
  }
  await syncPath(dirname(path));
}

/** A regular file of at most `maxBytes` that we may read, and its owner, who wrote it or let it be written; null for anything else. */
export async function readText(path: string, maxBytes: number): Promise<{ text: string; uid: number } | null> {
  try {
    // No link is followed, since who owns the folder could point it anywhere; without O_NONBLOCK a pipe would hold us up.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = await file.stat();
      if (!stat.isFile() || stat.size > maxBytes) return null;
      const bytes = Buffer.alloc(maxBytes);
      const { bytesRead } = await file.read(bytes, 0, maxBytes, 0);
      return { text: bytes.toString("utf8", 0, bytesRead), uid: stat.uid };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ELOOP", "ENXIO"].includes(codeOf(error))) return null;
    throw error;
  }
}
