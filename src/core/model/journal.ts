/** What is remembered of operations: under way (the journal) and done (the log for people). */

/**
 * An operation under way, written before its first outside effect and removed after its last.
 * `data` is all that recovery needs, in the words of the operation `kind`.
 */
export interface JournalEntry {
  readonly id: string; // op-…
  readonly kind: string; // snapshot.create, …
  readonly locks: readonly string[]; // held by whoever works on it; free means its owner is dead
  readonly createdAt: string;
  readonly command: string; // as typed, for people
  readonly data: unknown;
}

/** One line of the log of operations, for people: what was done, by whom, and how it ended. */
export interface OperationEvent {
  readonly time: string;
  readonly command: string; // as typed
  readonly operation: string; // snapshot.create, …
  readonly target: string | null;
  readonly result: string; // done, or the code of the error
  readonly user: string;
}
