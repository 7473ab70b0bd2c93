/** A folder whose names are on the disk. */
import { closeSync, fsyncSync, openSync } from "node:fs";

/**
 * Makes the names in a folder durable (fsync(2): a file's own fsync does not cover its name). Throws what the system
 * answers.
 */
export function syncNames(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
