/** state.json: a lean reader, short transactions, and the way back from damage. */
import { existsSync } from "node:fs";
import type { Binding, State } from "../core/model/state.ts";
import { textsIn } from "./durable-file.ts";
import { knownHome } from "./known-home.ts";
import { type FileLock, lockFile } from "./locks.ts";
import { MIGRATIONS, type Migrations } from "./migrations.ts";
import type { PathsInStore } from "./paths.ts";
import { stateReading } from "./state-reading.ts";
import { isUnused, type Restored, restoreState } from "./state-restoring.ts";
import { stateWriting } from "./state-writing.ts";
import { readAside } from "./things-folder.ts";

/** Transactions take milliseconds; whoever waits longer waits for something broken. */
const STATE_LOCK_TIMEOUT_MS = 30_000;

export interface StateFile {
  isThere(): Promise<boolean>;
  binding(): Promise<Binding | null>;
  knownHome(): Promise<string | null>;
  read(): Promise<State>;
  update<T>(change: (draft: State) => T): Promise<T>;
  restoreLastGood(): Promise<Restored>;
  stateCopies(): Promise<{ path: string; text: string }[]>;
  doubt(): Promise<string | null>;
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

  const reading = stateReading(paths, migrations);
  const writing = stateWriting(paths, now);

  /** The lock of the short transactions; the folders exist when it is held. */
  async function underLock<T>(work: (lock: FileLock) => Promise<T>): Promise<T> {
    makeFolders();
    const lock: FileLock = await lockFile(paths.stateLock, {
      timeoutMs: lockTimeoutMs,
      what: `the state in ${paths.home}`,
      searchPath,
    });
    try {
      return await work(lock);
    } finally {
      lock.release();
    }
  }

  return {
    isThere: async () => reading.isThere(),

    binding: async () => reading.beforehand()?.binding ?? null,

    async knownHome() {
      const state = reading.beforehand();
      return state === null ? null : knownHome(state, paths.home);
    },

    read: async () => reading.read(),

    update: (change) =>
      underLock(async (lock) => {
        const before = reading.stored();
        const { changeOf } = await import("./state-change.ts"); // what only reads has no drafts
        const { result, state: after } = changeOf(before.state, paths.stateFile, change);
        if (before.isStored && after === before.state) {
          await writing.catchUp(after); // what is there is durable already, but perhaps not its records
          return result;
        }
        lock.requireNamed();
        reading.know(await writing.store(after, before));
        return result;
      }),

    async restoreLastGood() {
      if (isUnused(paths, reading)) return { from: null, damagedFile: null };
      return underLock(() => restoreState(paths, { reading, writing }, migrations, now()));
    },

    stateCopies: async () => [...textsIn(paths.copiesFolder), ...readAside(paths.thingsFolder)],

    doubt: async () => (existsSync(paths.doubtFile) ? paths.doubtFile : null),
  };
}
