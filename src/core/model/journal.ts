/** What is remembered of operations: under way (the journal) and done (the log for people). */

/**
 * The kinds of operations, as the journal names them. Each is in the table of kinds (core/operations/kinds.ts): the
 * compiler sees to it.
 */
export type KindName =
  | "backup.boot"
  | "backup.create"
  | "backup.delete"
  | "backup.restore"
  | "image.copy"
  | "image.create"
  | "image.delete"
  | "image.download"
  | "image.save"
  | "image.share"
  | "image.unshare"
  | "instance.create"
  | "instance.delete"
  | "instance.forward"
  | "instance.offload"
  | "instance.rebuild"
  | "instance.release"
  | "instance.rename"
  | "instance.resize"
  | "instance.shelve"
  | "instance.unshelve"
  | "layer.copy-in"
  | "layer.merge"
  | "schedule.create"
  | "schedule.delete"
  | "snapshot.create"
  | "snapshot.delete"
  | "snapshot.revert"
  | "snapshot.revert-volume"
  | "volume.attach"
  | "volume.create"
  | "volume.delete"
  | "volume.detach"
  | "volume.stand-alone"
  | "volume.take-in"
  | "volume.resize";

/**
 * An operation under way, written before its first outside effect and removed after its last.
 * `data` is all that recovery needs, in the words of the operation `kind`.
 */
export interface JournalEntry {
  readonly id: string; // op-…
  readonly kind: string; // snapshot.create, …; one that we do not know was written by another version
  readonly version: number; // of the shape of `data`; an entry of 0.1.0 says none, and has 1
  /**
   * The operation that began this one, and that may not be closed before it; null: none. Left out in an entry of 0.1.0,
   * which did not say.
   */
  readonly parent?: string | null;
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
  readonly duration_ms?: number;
  /** What an error said. */
  readonly message?: string;
  /** The same of all that one command did to one target: a merge and what left it to be done. Not in lines of 0.1.0. */
  readonly run?: string;
}
