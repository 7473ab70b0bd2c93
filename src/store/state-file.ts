/** state.json: a lean reader, short transactions, and the way back from damage. */
import { copyFileSync, existsSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Binding, STATE_VERSION, type State } from "../core/model/state.ts";
import { EstratoError } from "../errors.ts";
import { replaceThroughConf } from "./conf-file.ts";
import { isNoFile, namesIn, readStored, removeAbandoned, textsIn, writeDurably } from "./durable-file.ts";
import { emptyState } from "./empty-state.ts";
import { errnoOf, hostError } from "./host-error.ts";
import { knownHome } from "./known-home.ts";
import { knownStates } from "./known-states.ts";
import { type FileLock, lockFile } from "./locks.ts";
import { MIGRATIONS, type Migrations, type RawState, versionOf } from "./migrations.ts";
import type { PathsInStore } from "./paths.ts";
import { type Copy, rebuild } from "./rebuild.ts";
import { hasCopies, keepCopy, newestGoodCopy, newestNumber } from "./state-copies.ts";
import { checkedChange, frozen, parseRaw, parseState, stateText, validState } from "./state-text.ts";
import { changed, type Header, headerText, inStep, isComplete, keptIn, type Writing } from "./things.ts";
import { hasAny, readAside, readFiles, readHeader, writeFiles } from "./things-folder.ts";

/** Transactions take milliseconds; whoever waits longer waits for something broken. */
const STATE_LOCK_TIMEOUT_MS = 30_000;
/** Before and after a change. */
const KNOWN_STATES = 2;
const REPAIR = "Run `estrato doctor --repair` to go back to what was stored last.";

/** What a restoring found, for doctor to tell. */
interface Restored {
  /** Where the state that was put in place is from, in words; null: state.json was good. */
  readonly from: string | null;
  /** Where the damaged file lies now; null where there was none. */
  readonly damagedFile: string | null;
}

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

  const known = knownStates(KNOWN_STATES, migrations);

  /** Null where nothing was ever stored. */
  function readText(): string | null {
    try {
      return readStored(paths.stateFile);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "EACCES" || errno === "EPERM") throw hostError(paths.stateFile, error);
      if (errno !== "ENOENT")
        throw lost(isNoFile(paths.stateFile) ? "it is no regular file" : "it cannot be read", error);
      if (hasCopies(paths.copiesFolder)) throw lost("it is gone, but its copies are there", error);
      if (hasAny(paths.thingsFolder)) throw lost("it is gone, but records of what it held are there", error);
      const layer = unexplainedLayer();
      if (layer !== null) throw lost(`it is gone, but a layer is there (${layer})`, error);
      return null;
    }
  }

  /** Before the first state there is no layer but of an operation that has not ended. */
  function unexplainedLayer(): string | null {
    const layers = namesIn(paths.layersFolder);
    if (layers.length === 0) return null;
    const entries = textsIn(paths.journalFolder);
    const name = layers.find((one) => !entries.some(({ text }) => text.includes(one.replace(/\..*$/, ""))));
    return name === undefined ? null : join(paths.layersFolder, name);
  }

  function lost(why: string, cause: unknown): EstratoError {
    return new EstratoError("integrity", `${paths.stateFile}: damaged: ${why}`, { hint: REPAIR, cause });
  }

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

  /** `before`: the text that it takes the place of; null where there is none that can be relied on. */
  async function store(state: State, before: string | null): Promise<void> {
    const header = readHeader(paths.thingsFolder);
    const old = before === null ? null : parseRaw(before, paths.stateFile);
    const counted = [numberOf(old), header?.writes ?? 0, newestNumber(paths.copiesFolder)];
    state.writes = 1 + Math.max(...counted);
    const text = stateText(state);
    await replaceThroughConf(paths.stateFile, state, text, 0o600);
    known.add(text);
    keepCopy(paths.stateFile, paths.copiesFolder, state.writes, now());
    const isInStep = header !== null && header.version === state.version && header.writes === old?.writes;
    await keepThings(isInStep && old !== null ? changed(old, state) : null, state);
  }

  /** The records of things follow the state; null: nobody knows what they are of. */
  async function keepThings(change: Writing | null, state: State): Promise<void> {
    try {
      if (change === null) removeAbandoned(paths.thingsFolder, now().getTime());
      const writing = change ?? inStep(readFiles(paths.thingsFolder), state);
      await writeFiles(paths.thingsFolder, writing, headerText(state));
    } catch {
      // What they are of is stored and durable: to call it failed now would be the lie. The next write compares all.
    }
  }

  /** A store of before there were records gets them here, and one that lost some of them. */
  async function completeThings(state: State): Promise<void> {
    const kept = keptIn(readFiles(paths.thingsFolder));
    if (!isComplete(kept) || kept.header?.writes !== (state.writes ?? 0)) await keepThings(null, state);
  }

  /** Throws "integrity" where what was stored last is a later state than this one. */
  function requireNewest(state: State, header: Header | null): State {
    if (state.writes === undefined || header === null || header.writes <= state.writes) return state;
    throw new EstratoError(
      "integrity",
      `${paths.stateFile}: older than what was stored last (write ${state.writes} of ${header.writes})`,
      { hint: REPAIR },
    );
  }

  /** Under the lock: for a change, a value of its own. */
  function readDraft(): { readonly text: string | null; readonly state: State } {
    const header = readHeader(paths.thingsFolder);
    const text = readText();
    if (text === null) return { text, state: validState(emptyState(), paths.stateFile) };
    return { text, state: requireNewest(known.read(text, paths.stateFile), header) };
  }

  /** What was read last, and of which file: whoever reads that again gets the same, which nobody can change. */
  let last: { readonly stamp: string; readonly state: State } | null = null;

  /** The state that is there, frozen; null where nothing was ever stored. */
  function shared(): State | null {
    const before = stampIfAny();
    if (last !== null && last.stamp === before) return last.state;
    const text = readText();
    if (text === null) return null;
    const state = frozen(known.read(text, paths.stateFile));
    if (before !== null && before === stampIfAny()) last = { stamp: before, state };
    return state;
  }

  /** Another after each replacing of state.json; null where there is none. */
  function stamp(): string | null {
    try {
      const file = statSync(paths.stateFile, { bigint: true, throwIfNoEntry: false });
      return file === undefined ? null : [file.dev, file.ino, file.size, file.mtimeNs].join(":");
    } catch (error) {
      throw hostError(paths.home, error);
    }
  }

  /** Null as well where it cannot be looked at: reading it says why. */
  function stampIfAny(): string | null {
    try {
      return stamp();
    } catch {
      return null;
    }
  }

  /** The best that is left: a copy, or an older state in the place of the last one. */
  function bestCopy(): Copy | null {
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

  /** What is known of a store before it is used, damaged as it may be; null where nothing can be read of it. */
  function beforehand(): State | null {
    try {
      return shared();
    } catch (error) {
      if (!(error instanceof EstratoError) || error.code !== "integrity") throw error;
      return newestGoodCopy(paths.copiesFolder, (text, path) => parseState(text, path, migrations))?.content ?? null;
    }
  }

  return {
    async isThere() {
      try {
        if (stamp() !== null || hasCopies(paths.copiesFolder) || hasAny(paths.thingsFolder)) return true;
        const { layersFolder, recordsFolder, memoryFolder, nvramFolder, journalFolder } = paths;
        const folders = [journalFolder, layersFolder, recordsFolder, memoryFolder, nvramFolder];
        return folders.some((folder) => namesIn(folder).length > 0);
      } catch (error) {
        throw hostError(paths.home, error);
      }
    },

    binding: async () => beforehand()?.binding ?? null,

    async knownHome() {
      const state = beforehand();
      return state === null ? null : knownHome(state, paths.home);
    },

    async read() {
      const header = readHeader(paths.thingsFolder); // first: who writes meanwhile writes the state before it
      return requireNewest(shared() ?? frozen(validState(emptyState(), paths.stateFile)), header);
    },

    update: (change) =>
      underLock(async (lock) => {
        const { text: before, state: draft } = readDraft();
        const result = change(draft);
        if (result instanceof Promise) throw new TypeError("A change of the state must be done when it returns.");
        const after = checkedChange(draft, paths.stateFile);
        if (before === stateText(after)) {
          // What is there is durable already. Whoever stored it may have been killed before its records followed.
          if (readHeader(paths.thingsFolder)?.writes !== after.writes) await keepThings(null, after);
          return result;
        }
        if (before !== null) keepBeforeMigration(paths.copiesFolder, before, paths.stateFile);
        lock.requireNamed();
        await store(after, before);
        return result;
      }),

    async restoreLastGood() {
      const isUnused = !existsSync(paths.stateFile) && !hasCopies(paths.copiesFolder) && !hasAny(paths.thingsFolder);
      if (isUnused && unexplainedLayer() === null) return { from: null, damagedFile: null };
      return underLock(async () => {
        try {
          await completeThings(readDraft().state);
          return { from: null, damagedFile: null };
        } catch (error) {
          if (!(error instanceof EstratoError) || error.code !== "integrity") throw error;
        }
        const kept = keptIn(readFiles(paths.thingsFolder));
        const rebuilt = rebuild(bestCopy(), kept, newestNumber(paths.copiesFolder));
        if (rebuilt === null) throw hopeless(paths.stateFile);
        const damagedFile = setAside(paths, now());
        if (!rebuilt.whole) doubt(paths, rebuilt.from, now());
        await store(rebuilt.state, null);
        return { from: rebuilt.from, damagedFile };
      });
    },

    stateCopies: async () => [...textsIn(paths.copiesFolder), ...readAside(paths.thingsFolder)],

    doubt: async () => (existsSync(paths.doubtFile) ? paths.doubtFile : null),
  };
}

function hopeless(file: string): EstratoError {
  const why = "neither a good copy of it nor a record of what it held is left";
  return new EstratoError("integrity", `${file}: lost: ${why}`, {
    hint: "Put it back from a copy of the store; until then nothing in the store is touched.",
  });
}

/** 0 where it does not say. */
function numberOf(raw: RawState | null): number {
  return typeof raw?.writes === "number" ? raw.writes : 0;
}

/** Says for good, until a person removes it, that what was put together may lack something. Durable. */
function doubt(paths: PathsInStore, from: string, now: Date): void {
  const text = { at: now.toISOString(), from };
  writeDurably(paths.doubtFile, `${JSON.stringify(text, undefined, 1)}\n`);
}

/** The last state of each older version is kept for good: the way back for whoever must downgrade. */
function keepBeforeMigration(folder: string, text: string, where: string): void {
  const version = versionOf(parseRaw(text, where), where);
  const path = join(folder, `version-${version}.json`);
  if (version < STATE_VERSION && !existsSync(path)) writeDurably(path, text);
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
