/** A StorePort in memory that keeps the real one's promises, and can die at any of its writes. */
import type { JournalEntry } from "../../src/core/model/journal.ts";
import type { State } from "../../src/core/model/state.ts";
import type { HeldLocks, StorePort } from "../../src/core/ports.ts";
import { EstratoError } from "../../src/errors.ts";
import { compareAges } from "../../src/order.ts";
import { emptyState } from "../../src/store/empty-state.ts";
import { checkedFileName } from "../../src/store/file-names.ts";
import { entryText, parseEntry } from "../../src/store/journal.ts";
import { knownHome } from "../../src/store/known-home.ts";
import type { RawState } from "../../src/store/migrations.ts";
import { pathsInStore } from "../../src/store/paths.ts";
import { rebuild } from "../../src/store/rebuild.ts";
import { missingRecord } from "../../src/store/records.ts";
import { changeOf } from "../../src/store/state-change.ts";
import { stateText } from "../../src/store/state-lines.ts";
import { frozen, parseRaw, parseState, validState } from "../../src/store/state-text.ts";
import { changed, HEADER_FILE, headerOf, headerText, inStep, keptIn } from "../../src/store/things.ts";
import { type FakeDisk, fakeDisk, untilFree } from "./store-disk.ts";

export { type FakeDisk, fakeDisk } from "./store-disk.ts";

/** As many as the real store keeps. */
const KEPT_COPIES = 5;

/** Of all fake stores: a suite that repeats a command with each way to end it meets the same texts over and over. */
const raws = new Map<string, RawState>();
const MAX_TEXTS = 500;

/** What the state in a text reads as: the same for whoever reads it again, as of the real store. */
const shared = new Map<string, State>();

function sharedState(text: string, where: string): State {
  const state = shared.get(text) ?? frozen(parseState(text, where));
  if (shared.size >= MAX_TEXTS) shared.clear();
  shared.set(text, state);
  return state;
}

/** As it is in a good text, before it is brought to our version; not to be changed. */
function rawOf(text: string, where: string): RawState {
  const raw = raws.get(text) ?? parseRaw(text, where);
  if (raws.size >= MAX_TEXTS) raws.clear();
  raws.set(text, raw);
  return raw;
}

/** The process died here. No EstratoError: nobody may answer it. */
export class Crash extends Error {
  constructor(where: string) {
    super(`killed ${where}`);
    this.name = "Crash";
  }
}

export interface FakeStoreOptions {
  readonly disk?: FakeDisk;
  /** Dies at the index-th write (from 0, in the order of `writes`), before or after it is on the disk. */
  readonly crashAt?: { readonly index: number; readonly phase: "before" | "after" };
  readonly home?: string;
}

export interface FakeStore extends StorePort {
  readonly disk: FakeDisk;
  /**
   * Every write so far: `update`, `journal.open op-…`, `journal.close op-…`, `record.write NAME`, `record.remove NAME`,
   * `restore`.
   */
  readonly writes: readonly string[];
  /** Ends this process now: its locks are free and every further call throws Crash. */
  crash(): void;
}

export function fakeStore(options: FakeStoreOptions = {}): FakeStore {
  const { disk = fakeDisk(), crashAt, home = "/fake/estrato" } = options;
  const paths = pathsInStore(home);
  const writes: string[] = [];
  const me = {};
  let dead: string | null = null;

  function die(where: string): never {
    dead = where;
    for (const locks of [disk.locks, disk.fileLocks])
      for (const [name, holder] of locks) if (holder === me) locks.delete(name);
    throw new Crash(where);
  }

  function alive(): void {
    if (dead !== null) throw new Crash(dead);
  }

  function requireWritable(): void {
    alive();
    if (disk.isReadOnly)
      throw new EstratoError("host", `${home}: the file system is read-only`, { hint: "Mount it writable." });
  }

  /** `then`: what a process that dies after the write does not come to. */
  function write(what: string, effect: () => void, then?: () => void): void {
    requireWritable();
    const isLast = crashAt?.index === writes.length;
    writes.push(what);
    if (isLast && crashAt.phase === "before") die(`before ${what}`);
    disk.isMade = true;
    effect();
    if (isLast) die(`after ${what}`);
    then?.();
  }

  /** As the real one: the state, its copy, and then the records of things. */
  function store(what: string, changedState: State, before: State | null): void {
    const header = headerOf(disk.things.get(HEADER_FILE) ?? "");
    const writes = 1 + Math.max(before?.writes ?? 0, header?.writes ?? 0, ...disk.copies.map(writesOf));
    const state = { ...changedState, writes };
    const text = stateText(state);
    const keep = () => {
      disk.state = text;
      disk.copies.push(text);
      disk.copies.splice(0, disk.copies.length - KEPT_COPIES);
    };
    const isInStep = header?.writes === before?.writes && isUntouched();
    write(what, keep, () => keepThings(isInStep ? before : null, state));
  }

  /** A test that sets the state is somebody who edits the file. */
  function isUntouched(): boolean {
    return disk.state !== null && disk.copies.includes(disk.state);
  }

  function keepThings(before: State | null, state: State): void {
    const { texts, gone, aside } = before === null ? inStep(disk.things, state) : changed(before, state);
    for (const name of [...gone, ...aside]) disk.things.delete(name);
    for (const [name, one] of texts) disk.things.set(name, one);
    disk.things.set(HEADER_FILE, headerText(state, null));
  }

  function writesOf(text: string): number {
    return isGood(text) ? Number(rawOf(text, paths.stateFile).writes ?? 0) : 0;
  }

  /** `read`: for whoever reads, or for a change. */
  function current(read: (text: string, where: string) => State): State {
    if (disk.state !== null) {
      const state = read(disk.state, paths.stateFile);
      const last = headerOf(disk.things.get(HEADER_FILE) ?? "")?.writes ?? 0;
      if (state.writes === undefined || last <= state.writes) return state;
      throw new EstratoError("integrity", `${paths.stateFile}: damaged: it is older than what was stored last`);
    }
    if (disk.copies.length === 0 && disk.things.size === 0) return validState(emptyState(), paths.stateFile);
    throw new EstratoError("integrity", `${paths.stateFile}: damaged: it is gone, but its copies are there`);
  }

  function beforehand(): State | null {
    try {
      return current(sharedState);
    } catch (error) {
      if (!(error instanceof EstratoError) || error.code !== "integrity") throw error;
      const copy = disk.copies.at(-1);
      return copy === undefined ? null : sharedState(copy, paths.stateFile);
    }
  }

  function isGood(text: string): boolean {
    if (raws.has(text)) return true;
    try {
      sharedState(text, paths.stateFile);
      return true;
    } catch {
      return false;
    }
  }

  function scan(): Awaited<ReturnType<StorePort["journal"]["scan"]>> {
    const entries: JournalEntry[] = [];
    const damaged: { name: string; why: string }[] = [];
    for (const [id, text] of disk.journal) {
      try {
        const entry = parseEntry(text);
        if (entry.id !== id) throw new Error(`it says that it is ${entry.id}`);
        entries.push(entry);
      } catch (error) {
        damaged.push({ name: `${id}.json`, why: String(error) });
      }
    }
    return { entries: entries.sort(compareAges), damaged };
  }

  return {
    disk,
    writes,
    paths,

    crash() {
      try {
        die("by the test");
      } catch {
        // Only the calls that come after it are to throw.
      }
    },

    requireWritable: async () => requireWritable(),

    async isThere() {
      alive();
      return disk.isMade;
    },

    async binding() {
      alive();
      return beforehand()?.binding ?? null;
    },

    async knownHome() {
      alive();
      const state = beforehand();
      return state === null ? null : knownHome(state, paths.home);
    },

    async read() {
      alive();
      return frozen(current(sharedState));
    },

    async update(change) {
      requireWritable();
      const before = frozen(current(sharedState));
      const { result, state } = changeOf(before, paths.stateFile, change);
      const isStored = disk.state !== null && rawOf(disk.state, paths.stateFile).version === before.version;
      if (isStored && state === before) {
        if (headerOf(disk.things.get(HEADER_FILE) ?? "")?.writes !== state.writes) keepThings(null, state);
        return result; // the real one writes no state either
      }
      store("update", state, disk.state === null ? null : before);
      return result;
    },

    async restoreLastGood() {
      requireWritable();
      try {
        const state = current(sharedState);
        if (disk.state !== null && !isUntouched()) store("complete", state, state);
        else if (disk.state !== null) keepThings(null, state);
        return { from: null, damagedFile: null };
      } catch {
        const texts = [...disk.copies, ...(disk.state === null ? [] : [disk.state])].filter(isGood);
        const [best] = texts.sort((a, b) => writesOf(b) - writesOf(a));
        const content = best === undefined ? null : sharedState(best, paths.stateFile);
        const copy = content === null ? null : { path: paths.copiesFolder, writes: content.writes ?? 0, content };
        const rebuilt = rebuild(copy, keptIn(disk.things), 0);
        if (rebuilt === null) throw new EstratoError("integrity", `${paths.stateFile}: nothing of it is left`);
        const damagedFile = disk.state === null ? null : `${paths.copiesFolder}/damaged.json`;
        if (!rebuilt.whole) disk.doubt = paths.doubtFile;
        store("restore", rebuilt.state, null);
        return { from: rebuilt.from, damagedFile };
      }
    },

    async doubt() {
      alive();
      return disk.doubt;
    },

    async stateCopies() {
      alive();
      return disk.copies.map((text, index) => ({ path: `${paths.copiesFolder}/${index + 1}.json`, text }));
    },

    async lock(names, timeoutMs, signal) {
      requireWritable();
      const sorted = [...new Set(names)].sort();
      // Two that wait for the same are told in one breath that it is free.
      do await untilFree(disk.locks, sorted, timeoutMs, signal);
      while (sorted.some((name) => disk.locks.has(name)));
      for (const name of sorted) disk.locks.set(name, me);
      let held = true;
      const locks: HeldLocks = {
        names: sorted,
        fds: sorted.map((_, index) => 1000 + index),
        async release() {
          if (held && dead === null) for (const name of sorted) disk.locks.delete(name);
          held = false;
        },
      };
      return locks;
    },

    async lockShared(path, what, timeoutMs, signal) {
      alive();
      await untilFree(disk.fileLocks, [path], timeoutMs, signal, `${what}: another store is at work in it`);
      disk.fileLocks.set(path, me);
      let held = true;
      const locks: HeldLocks = {
        names: [],
        fds: [2000],
        async release() {
          if (held && dead === null) disk.fileLocks.delete(path);
          held = false;
        },
      };
      return locks;
    },

    journal: {
      async open(entry) {
        alive();
        if (!/^op-[0-9a-f]{17}$/.test(entry.id))
          throw new EstratoError("usage", `journal entry ${entry.id}: not an id`);
        const text = entryText(entry);
        write(`journal.open ${entry.id}`, () => disk.journal.set(entry.id, text));
      },
      async claim() {
        alive(); // its lock files are not removed
      },
      async close(id) {
        alive();
        if (!/^op-[0-9a-f]{17}$/.test(id)) throw new EstratoError("usage", `journal entry ${id}: not an id`);
        write(`journal.close ${id}`, () => disk.journal.delete(id));
      },
      async list() {
        alive();
        const { entries, damaged } = scan();
        if (damaged.length > 0) throw new EstratoError("integrity", `${damaged[0]?.name}: damaged journal entry`);
        return entries;
      },
      async scan() {
        alive();
        return scan();
      },
      async setAside(name) {
        alive();
        const id = checkedFileName("journal entry", name).replace(/\.json$/, "");
        disk.aside.set(name, disk.journal.get(id) ?? "");
        disk.journal.delete(id);
        return `${paths.journalFolder}/damaged/${name}`;
      },
      async aside() {
        alive();
        return [...disk.aside].map(([name, text]) => ({ path: `${paths.journalFolder}/damaged/${name}`, text }));
      },
    },

    async writeRecord(name, text) {
      alive();
      paths.record(name);
      write(`record.write ${name}`, () => disk.records.set(name, text));
    },

    async findRecord(name) {
      alive();
      return disk.records.get(name) ?? null;
    },

    async readRecord(name) {
      alive();
      const text = disk.records.get(name);
      if (text === undefined) throw missingRecord(paths.record(name));
      return text;
    },

    async listRecords() {
      alive();
      return [...disk.records.keys()].sort();
    },

    async removeRecord(name) {
      alive();
      paths.record(name);
      write(`record.remove ${name}`, () => disk.records.delete(name));
    },

    events: {
      async append(event) {
        alive();
        disk.events.push(structuredClone(event));
      },
      async list() {
        alive();
        return structuredClone(disk.events);
      },
    },
  };
}
