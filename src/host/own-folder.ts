/** Files of our own that live as long as a call does. */
import { mkdtempSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Hands `use` a new folder, mode 0700, that is gone afterwards with all that is in it. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "estrato-")); // mode 0700
  try {
    return await use(folder);
  } finally {
    await remove(folder);
  }
}

/** By calls that wait where it holds a file or two: handing each call to a thread takes four times as long. */
async function remove(folder: string): Promise<void> {
  try {
    for (const name of readdirSync(folder)) unlinkSync(join(folder, name));
    rmdirSync(folder);
  } catch {
    await rm(folder, { recursive: true, force: true });
  }
}
