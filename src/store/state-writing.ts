/** Puts a state in the place of the one before: state.json first, then its copy and the records of things. */
import { existsSync, readdirSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { join } from "node:path";
import { STATE_VERSION, type State } from "../core/model/state.ts";
import { discard, removeAbandoned, writeDurably } from "./durable-file.ts";
import type { PathsInStore } from "./paths.ts";
import { isCopied, keepCopy, newestNumber } from "./state-copies.ts";
import { partsOf, stateBytes, stateOf } from "./state-lines.ts";
import type { StoredState } from "./state-reading.ts";
import { changed, type Header, headerText, inStep, type Writing } from "./things.ts";
import { readFiles, readHeader, writeFiles } from "./things-folder.ts";

/** All of it under the lock of the state. */
export interface StateWriting {
  /**
   * Durable when it returns; after a throw the old one is untouched, but for what `writeDurably` says. `before`: what
   * it takes the place of; null where there is nothing that can be relied on. Returns what was stored: the same,
   * numbered.
   */
  store(state: State, before: StoredState | null): Promise<State>;
  /** The records of this state, which is the one that is stored, where whoever stored it was killed before them. */
  catchUp(state: State): Promise<void>;
  /**
   * Afterwards the records are those of what is stored, whatever they were: a store of before there were any gets them
   * here, and one that lost some or where somebody changed them. What somebody changed in state.json becomes a write of
   * its own: a number names one state, and its copies say another.
   */
  completeThings(stored: StoredState): Promise<void>;
}

export function stateWriting(paths: PathsInStore, now: () => Date): StateWriting {
  /** The records of things follow the state; null: nobody knows what they are of. */
  async function keepThings(change: Writing | null, state: State, bytes: Buffer): Promise<void> {
    try {
      if (change === null) removeAbandoned(paths.thingsFolder, now().getTime());
      const writing = change ?? inStep(readFiles(paths.thingsFolder), state);
      await writeFiles(paths.thingsFolder, writing, headerText(state, bytes));
    } catch {
      // What they are of is stored and durable: to call it failed now would be the lie. The next write compares all.
    }
  }

  /** Has nobody but us changed state.json since it was stored? Asked under the lock. */
  function isUntouched({ state, isStored, doubtful }: StoredState): boolean {
    return isStored && (doubtful === null || isCopied(doubtful, paths.copiesFolder, state.writes ?? 0));
  }

  async function store(changedState: State, before: StoredState | null): Promise<State> {
    const header = readHeader(paths.thingsFolder);
    if (before?.older) keepBeforeMigration(paths, before.older);
    const counted = [before?.state.writes ?? 0, header?.writes ?? 0, newestNumber(paths.copiesFolder)];
    const writes = 1 + Math.max(...counted);
    const isInStep = before !== null && isOfHeader(before.state, header) && isUntouched(before);
    const state = stateOf(partsOf(changedState).set("writes", { text: null, value: writes }));
    const bytes = stateBytes(state);
    removeLeftovers(paths.home);
    writeDurably(paths.stateFile, bytes);
    const copied = keepCopy(paths.stateFile, paths.copiesFolder, writes, now());
    await Promise.all([
      keepThings(isInStep ? changed(before.state, state) : null, state, bytes),
      copied.then((tooMany) => Promise.all(tooMany.map((path) => unlink(path).catch(() => undefined)))),
    ]);
    return state;
  }

  return {
    store,

    async catchUp(state) {
      if (!isOfHeader(state, readHeader(paths.thingsFolder))) await keepThings(null, state, stateBytes(state));
    },

    async completeThings(stored) {
      if (stored.isStored && !isUntouched(stored)) await store(stored.state, stored);
      else await keepThings(null, stored.state, stateBytes(stored.state));
    },
  };
}

/** Were the records last written for this state? */
function isOfHeader({ version, writes }: State, header: Header | null): boolean {
  return header?.version === version && header.writes === writes;
}

/** Nobody else writes: what a killed writer left (or one of a version that wrote through conf) is nobody's. */
function removeLeftovers(home: string): void {
  for (const name of readdirSync(home)) if (LEFT.test(name)) discard(join(home, name));
}

const LEFT = /^(\.state\.json\..+\.tmp|state\.next\.json.*)$/;

/** The last state of each older version is kept for good: the way back for whoever must downgrade. */
function keepBeforeMigration({ copiesFolder }: PathsInStore, { text, version }: NonNullable<StoredState["older"]>) {
  const path = join(copiesFolder, `version-${version}.json`);
  if (version < STATE_VERSION && !existsSync(path)) writeDurably(path, text);
}
