/** The store of one home folder, as core's StorePort knows it. */
import type { JournalEntry } from "../core/model/journal.ts";
import { type Events, events } from "./events.ts";
import { makeFolders, requireWritable } from "./folders.ts";
import { guardedWork } from "./guarded-work.ts";
import { type Journal, journal } from "./journal.ts";
import { type HeldFileLocks, type HeldLocksOfFiles, lockSharedFile } from "./locks.ts";
import { type PathsInStore, pathsInStore } from "./paths.ts";
import { type Records, records } from "./records.ts";
import { type StateFile, stateFile } from "./state-file.ts";

export { resolveHome } from "./home.ts";

export interface Store extends StateFile, Records {
  readonly paths: PathsInStore;
  readonly journal: Omit<Journal, "isMine" | "claim" | "giveBack" | "disown" | "lockedByOthers"> & {
    claim(entry: JournalEntry): Promise<void>;
  };
  readonly events: Events;
  requireWritable(): Promise<void>;
  lock(names: readonly string[], timeoutMs: number, signal?: AbortSignal): Promise<HeldFileLocks>;
  lockShared(path: string, what: string, timeoutMs: number, signal?: AbortSignal): Promise<HeldLocksOfFiles | null>;
}

export interface StoreOptions {
  /** Absolute. */
  readonly home: string;
  /** QEMU runs as another user and must reach the layers. */
  readonly systemMode: boolean;
  readonly now?: () => Date;
  /** PATH, for flock(1). */
  readonly searchPath?: string | undefined;
}

/**
 * Opens the store in `home`. Touches no disk: reading an unused store makes nothing, the first write makes the folders.
 */
export function openStore({ home, systemMode, now = () => new Date(), searchPath }: StoreOptions): Store {
  const paths = pathsInStore(home);
  let made = false;
  const makeFoldersOnce = (): void => {
    if (!made) makeFolders(paths, systemMode);
    made = true;
  };
  const entries = journal(paths.journalFolder, makeFoldersOnce, now);
  const work = guardedWork(paths, entries, searchPath);

  return {
    paths,
    ...stateFile({ paths, makeFolders: makeFoldersOnce, now, searchPath }),
    ...records(paths, makeFoldersOnce, now),
    journal: { ...entries, open: work.open, claim: work.claim },
    events: events({ file: paths.eventsFile, makeFolders: makeFoldersOnce, searchPath }),
    requireWritable: async () => requireWritable(paths),
    async lock(names, timeoutMs, signal) {
      makeFoldersOnce();
      return work.lock(names, timeoutMs, signal);
    },
    async lockShared(path, what, timeoutMs, signal) {
      const lock = await lockSharedFile(path, { timeoutMs, what, signal, searchPath });
      return lock === null ? null : { names: [], fds: [lock.fd], release: async () => lock.release() };
    },
  };
}
