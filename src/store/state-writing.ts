/** Puts a state in the place of the one before: state.json first, then its copy, then the records of things. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { STATE_VERSION, type State } from "../core/model/state.ts";
import { replaceThroughConf } from "./conf-file.ts";
import { removeAbandoned, writeDurably } from "./durable-file.ts";
import type { KnownStates } from "./known-states.ts";
import { type RawState, versionOf } from "./migrations.ts";
import type { PathsInStore } from "./paths.ts";
import { keepCopy, newestNumber } from "./state-copies.ts";
import { parseRaw, stateText } from "./state-text.ts";
import { changed, headerText, inStep, isComplete, keptIn, type Writing } from "./things.ts";
import { readFiles, readHeader, writeFiles } from "./things-folder.ts";

/** All of it under the lock of the state. */
export interface StateWriting {
  /**
   * Durable when it returns; after a throw the old one is untouched. `before`: the text that it takes the place of;
   * null where there is none that can be relied on.
   */
  store(state: State, before: string | null): Promise<void>;
  /** The records of this state, which is the one that is stored, where whoever stored it was killed before them. */
  catchUp(state: State): Promise<void>;
  /** A store of before there were records gets them here, and one that lost some of them. */
  completeThings(state: State): Promise<void>;
}

export function stateWriting(paths: PathsInStore, known: KnownStates, now: () => Date): StateWriting {
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

  return {
    async store(state, before) {
      const header = readHeader(paths.thingsFolder);
      const old = before === null ? null : parseRaw(before, paths.stateFile);
      if (before !== null && old !== null) keepBeforeMigration(paths, before, versionOf(old, paths.stateFile));
      const counted = [numberOf(old), header?.writes ?? 0, newestNumber(paths.copiesFolder)];
      state.writes = 1 + Math.max(...counted);
      const text = stateText(state);
      await replaceThroughConf(paths.stateFile, state, text, 0o600);
      known.add(text);
      keepCopy(paths.stateFile, paths.copiesFolder, state.writes, now());
      const isInStep = header !== null && header.version === state.version && header.writes === old?.writes;
      await keepThings(isInStep && old !== null ? changed(old, state) : null, state);
    },

    async catchUp(state) {
      if (readHeader(paths.thingsFolder)?.writes !== state.writes) await keepThings(null, state);
    },

    async completeThings(state) {
      const kept = keptIn(readFiles(paths.thingsFolder));
      if (!isComplete(kept) || kept.header?.writes !== (state.writes ?? 0)) await keepThings(null, state);
    },
  };
}

/** 0 where it does not say. */
function numberOf(raw: RawState | null): number {
  return typeof raw?.writes === "number" ? raw.writes : 0;
}

/** The last state of each older version is kept for good: the way back for whoever must downgrade. */
function keepBeforeMigration({ copiesFolder }: PathsInStore, text: string, version: number): void {
  const path = join(copiesFolder, `version-${version}.json`);
  if (version < STATE_VERSION && !existsSync(path)) writeDurably(path, text);
}
