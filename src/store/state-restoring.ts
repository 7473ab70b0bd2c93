/** The way back from a state that is damaged or gone: its copies, and the records of things. */
import { copyFileSync, existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { EstratoError } from "../errors.ts";
import { isNoFile, readStored, writeDurably } from "./durable-file.ts";
import type { Migrations } from "./migrations.ts";
import type { PathsInStore } from "./paths.ts";
import { type Copy, rebuild } from "./rebuild.ts";
import { hasCopies, newestGoodCopy, newestNumber } from "./state-copies.ts";
import type { StateReading } from "./state-reading.ts";
import { parseState } from "./state-text.ts";
import type { StateWriting } from "./state-writing.ts";
import { keptIn } from "./things.ts";
import { hasAny, readFiles } from "./things-folder.ts";

/** What a restoring found, for doctor to tell. */
export interface Restored {
  /** Where the state that was put in place is from, in words; null: state.json was good. */
  readonly from: string | null;
  /** Where the damaged file lies now; null where there was none. */
  readonly damagedFile: string | null;
}

/** Was nothing ever stored here? */
export function isUnused(paths: PathsInStore, reading: StateReading): boolean {
  if (existsSync(paths.stateFile) || hasCopies(paths.copiesFolder) || hasAny(paths.thingsFolder)) return false;
  return reading.unexplainedLayer() === null;
}

/**
 * Under the lock of the state: afterwards state.json is good and its records are whole, or it throws "integrity" and
 * nothing has changed. Where what was put together may lack something, a file says so.
 */
export async function restoreState(
  paths: PathsInStore,
  { reading, writing }: { reading: StateReading; writing: StateWriting },
  migrations: Migrations,
  now: Date,
): Promise<Restored> {
  try {
    await writing.completeThings(reading.stored());
    return { from: null, damagedFile: null };
  } catch (error) {
    if (!(error instanceof EstratoError) || error.code !== "integrity") throw error;
  }
  const kept = keptIn(readFiles(paths.thingsFolder));
  const rebuilt = rebuild(bestCopy(paths, migrations), kept, newestNumber(paths.copiesFolder));
  if (rebuilt === null) throw hopeless(paths.stateFile);
  const damagedFile = setAside(paths, now);
  if (!rebuilt.whole) doubt(paths, rebuilt.from, now);
  await writing.store(rebuilt.state, null);
  return { from: rebuilt.from, damagedFile };
}

/** The best that is left: a copy, or an older state in the place of the last one. */
function bestCopy(paths: PathsInStore, migrations: Migrations): Copy | null {
  const copies: Copy[] = [];
  const copy = newestGoodCopy(paths.copiesFolder, (text, path) => parseState(text, path, migrations));
  if (copy !== null) copies.push({ ...copy, writes: copy.content.writes ?? copy.number });
  try {
    const content = parseState(readStored(paths.stateFile), paths.stateFile, migrations);
    copies.push({ path: paths.stateFile, writes: content.writes ?? 0, content });
  } catch {
    // Damaged or gone: that is why we are here
  }
  return copies.sort((a, b) => b.writes - a.writes)[0] ?? null;
}

function hopeless(file: string): EstratoError {
  const why = "neither a good copy of it nor a record of what it held is left";
  return new EstratoError("integrity", `${file}: lost: ${why}`, {
    hint: "Put it back from a copy of the store; until then nothing in the store is touched.",
  });
}

/** Says for good, until a person removes it, that what was put together may lack something. Durable. */
function doubt(paths: PathsInStore, from: string, now: Date): void {
  const text = { at: now.toISOString(), from };
  writeDurably(paths.doubtFile, `${JSON.stringify(text, undefined, 1)}\n`);
}

/**
 * Copies the damaged file to where a person can look at it; it stays in place until the good one replaces it. What is
 * no file at all is moved there: a pipe cannot be copied, and a folder not be replaced.
 */
function setAside(paths: PathsInStore, now: Date): string | null {
  const path = join(paths.copiesFolder, `damaged-${now.toISOString().replaceAll(/[-:.]/g, "")}.json`);
  try {
    if (isNoFile(paths.stateFile)) renameSync(paths.stateFile, path);
    else copyFileSync(paths.stateFile, path);
    return path;
  } catch {
    return null; // gone, or unreadable even for this: nothing to look at
  }
}
