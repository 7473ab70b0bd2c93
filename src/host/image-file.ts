/** Which names QEMU may be given, and we may open: files and disks. */
import type { BigIntStats } from "node:fs";
import { stat } from "node:fs/promises";
import { EstratoError } from "../errors.ts";
import { printable } from "./process-failure.ts";

/**
 * Is it there? "host" where QEMU would open something else than an image: a pipe, whose other end it would wait for, a
 * terminal, a folder, a device that acts when it is opened (a watchdog). Else throws what stat(2) says.
 */
export async function isImageThere(path: string): Promise<boolean> {
  if (path.includes("\0")) return false; // no file has such a name
  try {
    requireFileOrDisk(path, await stat(path));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw error;
  }
}

/** "host" where it is something else. */
export function requireFileOrDisk(path: string, found: Pick<BigIntStats, "isFile" | "isBlockDevice">): void {
  if (found.isFile() || found.isBlockDevice()) return;
  throw new EstratoError("host", `${printable(path)}: it is neither a file nor a disk`, {
    hint: "Look who has put it there.",
  });
}
