/** The disk under a fake store, and its locks. */

import type { OperationEvent } from "../../src/core/model/journal.ts";
import type { State } from "../../src/core/model/state.ts";
import { EstratoError } from "../../src/errors.ts";
import { stateText } from "../../src/store/state-lines.ts";
import { validState } from "../../src/store/state-text.ts";

/** What outlives a process: hand the same disk to a second fakeStore to play the next command. */
export interface FakeDisk {
  /** Set it to anything else to damage it. */
  state: string | null;
  /** The last five good states, oldest first. */
  readonly copies: string[];
  /** False: nobody has made a store of it yet. The first write makes it true. */
  isMade: boolean;
  /** Its file system is read-only. */
  isReadOnly: boolean;
  /** The records of things, and their header, by file name. */
  readonly things: Map<string, string>;
  /** Says that the state may lack something; null: it is whole. */
  doubt: string | null;
  readonly journal: Map<string, string>;
  /** Damaged entries of the journal that were set aside. */
  readonly aside: Map<string, string>;
  readonly records: Map<string, string>;
  readonly events: OperationEvent[];
  /** Name of a lock → who holds it. */
  readonly locks: Map<string, object>;
  /** The same of files outside the store; stores on one machine share it. */
  fileLocks: Map<string, object>;
}

export function fakeDisk(state?: State): FakeDisk {
  const text = state === undefined ? null : stateText(validState(state, "the given state"));
  return {
    state: text,
    copies: text === null ? [] : [text],
    isMade: true,
    isReadOnly: false,
    things: new Map(),
    doubt: null,
    journal: new Map(),
    aside: new Map(),
    records: new Map(),
    events: [],
    locks: new Map(),
    fileLocks: new Map(),
  };
}

const POLL_MS = 2;

/** Waits on real time, since a holder releases in real time too. */
export async function untilFree(
  locks: FakeDisk["locks"],
  names: readonly string[],
  timeoutMs: number,
  signal: AbortSignal | undefined,
  says?: string,
): Promise<void> {
  for (let leftMs = timeoutMs; ; leftMs -= POLL_MS) {
    if (signal?.aborted) throw new EstratoError("interrupted", "gave up waiting for a lock");
    const taken = names.find((name) => locks.has(name));
    if (taken === undefined) return;
    if (leftMs <= 0) {
      throw new EstratoError("conflict", says ?? `${taken}: another operation is in progress`, {
        hint: "Wait until it is done, or give --lock-timeout to wait for it.",
      });
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
