/** state.json: a lean reader, short transactions, and the way back from damage. */
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { STATE_VERSION, type State } from "../core/model/state.ts";
import { EstratoError } from "../errors.ts";
import { replaceThroughConf } from "./conf-file.ts";
import { textsIn, writeDurably } from "./durable-file.ts";
import { emptyState } from "./empty-state.ts";
import { errnoOf, hostError } from "./host-error.ts";
import { type FileLock, lockFile } from "./locks.ts";
import { MIGRATIONS, type Migrations, versionOf } from "./migrations.ts";
import type { PathsInStore } from "./paths.ts";
import { hasCopies, keepCopy, newestGoodCopy } from "./state-copies.ts";
import { checkedChange, parseRaw, parseState, stateText, validState } from "./state-text.ts";

/** Transactions take milliseconds; whoever waits longer waits for something broken. */
const STATE_LOCK_TIMEOUT_MS = 30_000;
const REPAIR = "Run `estrato doctor --repair` to go back to the last good copy.";

/** What a restoring found, for doctor to tell. */
interface Restored {
  /** The copy that was put in place; null: state.json was good and nothing was done. */
  readonly from: string | null;
  /** Where the damaged file lies now; null where there was none. */
  readonly damagedFile: string | null;
}

export interface StateFile {
  read(): Promise<State>;
  update<T>(change: (draft: State) => T): Promise<T>;
  restoreLastGood(): Promise<Restored>;
  stateCopies(): Promise<{ path: string; text: string }[]>;
}

export interface StateFileOptions {
  readonly paths: PathsInStore;
  readonly makeFolders: () => void;
  readonly now: () => Date;
  readonly migrations?: Migrations;
  readonly lockTimeoutMs?: number;
  readonly searchPath?: string | undefined;
}

/** Touches no disk before its functions are called. */
export function stateFile(options: StateFileOptions): StateFile {
  const {
    paths,
    makeFolders,
    now,
    migrations = MIGRATIONS,
    lockTimeoutMs = STATE_LOCK_TIMEOUT_MS,
    searchPath,
  } = options;

  /** Null where nothing was ever stored. */
  function readText(): string | null {
    try {
      return readFileSync(paths.stateFile, "utf8");
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "EACCES" || errno === "EPERM") throw hostError(paths.stateFile, error);
      if (errno !== "ENOENT") throw lost("it cannot be read", error);
      if (hasCopies(paths.copiesFolder)) throw lost("it is gone, but its copies are there", error);
      return null;
    }
  }

  function lost(why: string, cause: unknown): EstratoError {
    return new EstratoError("integrity", `${paths.stateFile}: damaged: ${why}`, { hint: REPAIR, cause });
  }

  /** The lock of the short transactions; the folders exist when it is held. */
  async function underLock<T>(work: () => Promise<T>): Promise<T> {
    makeFolders();
    const lock: FileLock = await lockFile(paths.stateLock, {
      timeoutMs: lockTimeoutMs,
      what: `the state in ${paths.home}`,
      searchPath,
    });
    try {
      return await work();
    } finally {
      lock.release();
    }
  }

  async function store(state: State): Promise<void> {
    await replaceThroughConf(paths.stateFile, state, stateText(state), 0o600);
    keepCopy(paths.stateFile, paths.copiesFolder, now());
  }

  return {
    async read() {
      const text = readText();
      return text === null ? validState(emptyState(), paths.stateFile) : parseState(text, paths.stateFile, migrations);
    },

    update: (change) =>
      underLock(async () => {
        const before = readText();
        const draft =
          before === null ? validState(emptyState(), paths.stateFile) : parseState(before, paths.stateFile, migrations);
        const result = change(draft);
        if (result instanceof Promise) throw new TypeError("A change of the state must be done when it returns.");
        const after = checkedChange(draft, paths.stateFile);
        if (before === stateText(after)) return result; // what is there is durable already
        if (before !== null) keepBeforeMigration(paths.copiesFolder, before, paths.stateFile);
        await store(after);
        return result;
      }),

    restoreLastGood: () =>
      underLock(async () => {
        try {
          const text = readText();
          if (text === null) return { from: null, damagedFile: null };
          parseState(text, paths.stateFile, migrations);
          return { from: null, damagedFile: null };
        } catch (error) {
          if (!(error instanceof EstratoError) || error.code !== "integrity") throw error;
        }
        const copy = newestGoodCopy(paths.copiesFolder, (text, path) => parseState(text, path, migrations));
        if (copy === null) throw lost("and no good copy of it is left", undefined);
        const damagedFile = setAside(paths, now());
        await store(copy.content);
        return { from: copy.path, damagedFile };
      }),

    stateCopies: async () => textsIn(paths.copiesFolder),
  };
}

/** The last state of each older version is kept for good: the way back for whoever must downgrade. */
function keepBeforeMigration(folder: string, text: string, where: string): void {
  const version = versionOf(parseRaw(text, where), where);
  const path = join(folder, `version-${version}.json`);
  if (version < STATE_VERSION && !existsSync(path)) writeDurably(path, text);
}

/** Copies the damaged file to where a person can look at it; it stays in place until the good one replaces it. */
function setAside(paths: PathsInStore, now: Date): string | null {
  const path = join(paths.copiesFolder, `damaged-${now.toISOString().replaceAll(/[-:.]/g, "")}.json`);
  try {
    copyFileSync(paths.stateFile, path);
    return path;
  } catch {
    return null; // gone, or unreadable even for this: nothing to look at
  }
}
