/** Which names QEMU may be given, and we may open: files and disks. */
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
    const found = await stat(path);
    if (found.isFile() || found.isBlockDevice()) return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw error;
  }
  throw new EstratoError("host", `${printable(path)}: it is neither a file nor a disk`, {
    hint: "Look who has put it there.",
  });
}

/** To be asked before QEMU is given a file that it might wait for. What is not there QEMU tells itself. */
export async function requireImages(...paths: readonly string[]): Promise<void> {
  for (const path of paths) await isImageThere(path);
}
