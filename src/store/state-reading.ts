/** state.json as its readers get it: whole, the newest that was stored, and the same for all who read it again. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { State } from "../core/model/state.ts";
import { EstratoError } from "../errors.ts";
import { isNoFile, namesIn, readStoredBytes, textsIn } from "./durable-file.ts";
import { emptyState } from "./empty-state.ts";
import { errnoOf, hostError } from "./host-error.ts";
import { type Migrations, migrate, versionOf } from "./migrations.ts";
import type { PathsInStore } from "./paths.ts";
import { hasCopies, newestGoodCopy } from "./state-copies.ts";
import { trustedState } from "./state-lines.ts";
import { frozen, parseRaw, parseState, validState } from "./state-text.ts";
import { type Header, isTextOf } from "./things.ts";
import { hasAny, readHeader } from "./things-folder.ts";

const REPAIR = "Run `estrato doctor --repair` to go back to what was stored last.";

/** A state as it is stored. */
export interface StoredState {
  /** Frozen, and of our version. */
  readonly state: State;
  /** Is it stored as it is, and of our version? The empty one of a new store is not. */
  readonly isStored: boolean;
  /** As they were read, where their sum does not say that we wrote them (a copy may: `isCopied`); else null. */
  readonly doubtful: Buffer | null;
  /** The text and version of an older one, which this one was made of; null where it is of ours. */
  readonly older: { readonly text: string; readonly version: number } | null;
}

export interface StateReading {
  /** Is there anything of a store, whole or not? */
  isThere(): boolean;
  /** Frozen; the empty one where nothing was ever stored. Throws "integrity" where it is damaged, or an older one. */
  read(): State;
  /** What is known of a store before it is used, damaged as it may be; null where nothing can be read of it. */
  beforehand(): State | null;
  /** What is there, to be changed under the lock of the state. Throws as `read`. */
  stored(): StoredState;
  /** Of a state that was just stored, under the lock: it need not be read again. */
  know(state: State): void;
  /** A layer of a state that is gone; null where there is none. */
  unexplainedLayer(): string | null;
}

function ours(state: State): StoredState {
  return { state, isStored: true, doubtful: null, older: null };
}

/** Touches no disk before its functions are called. */
export function stateReading(paths: PathsInStore, migrations: Migrations): StateReading {
  /** Null where nothing was ever stored. */
  function readBytes(): Buffer | null {
    try {
      return readStoredBytes(paths.stateFile);
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

  /** Throws "integrity" where what was stored last is a later state than this one. */
  function requireNewest(state: State, header: Header | null): State {
    if (state.writes === undefined || header === null || header.writes <= state.writes) return state;
    throw new EstratoError(
      "integrity",
      `${paths.stateFile}: older than what was stored last (write ${state.writes} of ${header.writes})`,
      { hint: REPAIR },
    );
  }

  /** What was read last, and of which file: whoever reads that again gets the same, which nobody can change. */
  let last: { readonly stamp: string; readonly stored: StoredState } | null = null;

  /** The state that is there; null where nothing was ever stored. */
  function shared(header: Header | null): StoredState | null {
    const before = stampIfAny();
    if (last !== null && last.stamp === before) return last.stored;
    const bytes = readBytes();
    if (bytes === null) return null;
    const stored = storedIn(bytes, header);
    if (before !== null && before === stampIfAny()) last = { stamp: before, stored };
    return stored;
  }

  /** What we wrote ourselves, and nobody touched since, is known to be good. */
  function storedIn(bytes: Buffer, header: Header | null): StoredState {
    const text = bytes.toString("utf8");
    if (header !== null && isTextOf(header, bytes)) return ours(trustedState(text));
    const raw = parseRaw(text, paths.stateFile);
    const version = versionOf(raw, paths.stateFile);
    const state = frozen(validState(migrate(raw, paths.stateFile, migrations), paths.stateFile));
    const isStored = version === state.version;
    return { state, isStored, doubtful: bytes, older: isStored ? null : { text, version } };
  }

  /** Another after each replacing of state.json; null where there is none. */
  function stamp(): string | null {
    const file = statSync(paths.stateFile, { bigint: true, throwIfNoEntry: false });
    return file === undefined ? null : [file.dev, file.ino, file.size, file.mtimeNs].join(":");
  }

  /** Null as well where it cannot be looked at: reading it says why. */
  function stampIfAny(): string | null {
    try {
      return stamp();
    } catch {
      return null;
    }
  }

  function stored(): StoredState {
    const header = readHeader(paths.thingsFolder); // first: who writes meanwhile writes the state before it
    const there = shared(header);
    if (there !== null) return { ...there, state: requireNewest(there.state, header) };
    const state = frozen(validState(emptyState(), paths.stateFile));
    return { state, isStored: false, doubtful: null, older: null };
  }

  return {
    unexplainedLayer,

    isThere() {
      try {
        if (stamp() !== null || hasCopies(paths.copiesFolder) || hasAny(paths.thingsFolder)) return true;
        const { layersFolder, recordsFolder, memoryFolder, nvramFolder, journalFolder } = paths;
        const folders = [journalFolder, layersFolder, recordsFolder, memoryFolder, nvramFolder];
        return folders.some((folder) => namesIn(folder).length > 0);
      } catch (error) {
        throw hostError(paths.home, error);
      }
    },

    read: () => stored().state,
    stored,

    know(state) {
      const now = stampIfAny();
      last = now === null ? null : { stamp: now, stored: ours(state) };
    },

    beforehand() {
      try {
        return shared(readHeader(paths.thingsFolder))?.state ?? null;
      } catch (error) {
        if (!(error instanceof EstratoError) || error.code !== "integrity") throw error;
        return newestGoodCopy(paths.copiesFolder, (text, path) => parseState(text, path, migrations))?.content ?? null;
      }
    },
  };
}
