/**
 * Locks and the journal together: two never work on one thing, even where somebody removes lock files under them. Who
 * begins looks, once the journal says so, whether his locks are still those of their names; who comes with a new lock
 * of the name looks in the journal. Whichever was first is seen by the other.
 */
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import type { JournalEntry } from "../core/model/journal.ts";
import type { Journal } from "./journal.ts";
import { busy, type HeldFileLocks, lockFolder, lockNames } from "./locks.ts";
import type { PathsInStore } from "./paths.ts";

const LOOK_EVERY_MS = 100;
/** It takes two small writes. */
const CLAIMING_MS = 30_000;

export interface GuardedWork {
  /** As lockNames; "conflict", too, where another process works under one of these names without its file. */
  lock(names: readonly string[], timeoutMs: number, signal?: AbortSignal): Promise<HeldFileLocks>;
  /** "conflict", and no entry is left, where a lock that it is to be done under is not the one of its name any more. */
  open(entry: JournalEntry): Promise<void>;
  /** An entry of another's that is recovered by this process from now on. The same. */
  claim(entry: JournalEntry): Promise<void>;
}

export function guardedWork(
  { locksFolder: folder, journalFolder }: Pick<PathsInStore, "locksFolder" | "journalFolder">,
  journal: Journal,
  searchPath: string | undefined,
): GuardedWork {
  const held = new Set<HeldFileLocks>();

  async function untilNobodyWorks(names: readonly string[], timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const others = journal.lockedByOthers();
      const taken = names.find((name) => others.has(name));
      if (taken === undefined) return;
      if (signal?.aborted || performance.now() >= deadlineMs) throw busy(taken);
      await delay(LOOK_EVERY_MS);
    }
  }

  function requireNamed(names: readonly string[]): void {
    for (const locks of held) if (locks.names.some((name) => names.includes(name))) locks.requireNamed();
  }

  return {
    async lock(names, timeoutMs, signal) {
      const beganMs = performance.now();
      const locks = await lockNames(folder, names, { timeoutMs, signal, searchPath });
      const mine: HeldFileLocks = {
        ...locks,
        async release() {
          if (held.delete(mine)) journal.disown(locks.names);
          await locks.release();
        },
      };
      held.add(mine);
      try {
        await untilNobodyWorks(locks.names, timeoutMs - (performance.now() - beganMs), signal);
        return mine;
      } catch (error) {
        await mine.release();
        throw error;
      }
    },

    async open(entry) {
      const isKnown = journal.isMine(entry.id);
      await journal.open(entry);
      if (isKnown) return; // what was begun is ended, or recovered: the journal keeps others from it
      try {
        requireNamed(entry.locks);
      } catch (error) {
        await journal.close(entry.id);
        throw error;
      }
    },

    async claim(entry) {
      // Two that hold a lock of one name, since its file was removed, would put their names over each other's.
      const claiming = await lockFolder(journalFolder, {
        timeoutMs: CLAIMING_MS,
        what: "the journal",
        searchPath,
      });
      try {
        await journal.claim(entry.id);
        requireNamed(entry.locks);
      } catch (error) {
        if (journal.isMine(entry.id)) journal.giveBack(entry.id);
        throw error;
      } finally {
        claiming?.release();
      }
    },
  };
}
