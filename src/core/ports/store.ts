/** What core asks of whoever remembers: the state, the journal, records and locks. */
import type { JournalEntry, OperationEvent } from "../model/journal.ts";
import type { Binding, State } from "../model/state.ts";

/** Held until release() or the end of the process and of every child that inherited it. */
export interface HeldLocks {
  readonly names: readonly string[];
  readonly fds: readonly number[];
  release(): Promise<void>;
}

/** A text of the store's own, and where it lies. */
export interface KeptText {
  readonly path: string;
  readonly text: string;
}

/** What we remember. */
export interface StorePort {
  readonly paths: StorePaths;
  /**
   * Is there a store? False where nothing was ever kept there. "host" where that cannot be seen, which is not the same.
   */
  isThere(): Promise<boolean>;
  /** Throws "host" where a store that is there may not be written to: its file system is read-only, say. Reads only. */
  requireWritable(): Promise<void>;
  /**
   * Whose store it is; null where it is nobody's yet. Where the state cannot be read its newest good copy says so, and
   * where none can be read nobody knows. "host" where a newer estrato wrote it, or it may not be read.
   */
  binding(): Promise<Binding | null>;
  /** What it is used with now, and is bound to by the first change; left out: what the state says. */
  readonly here?: Binding;
  /** The folder that its paths are of: it may be a copy of what lies there. Null where nothing says so. */
  knownHome(): Promise<string | null>;
  /** The state as it is now; lean, no lock. "integrity" where no good copy can be read. */
  read(): Promise<State>;
  /**
   * A short transaction under the state lock: what `change` does to the draft is stored durably (fsync of file and
   * folder) before this returns. A throw changes nothing.
   */
  update<T>(change: (draft: State) => T): Promise<T>;
  /**
   * Kernel locks, taken in sorted order, each with a descriptor that children can inherit. "conflict" after timeoutMs
   * (0: at once). Names: an instance's UUID, a volume's or image's id, a backup target's path. `signal` ends the
   * waiting with "interrupted".
   */
  lock(names: readonly string[], timeoutMs: number, signal?: AbortSignal): Promise<HeldLocks>;
  /**
   * Locks a file that several stores lock, in a folder that they share (`what` names that for the message); held as
   * other locks are, with no name. Null where it is not there, or its file system carries no locks. "conflict" as
   * `lock`.
   */
  lockShared(path: string, what: string, timeoutMs: number, signal?: AbortSignal): Promise<HeldLocks | null>;
  journal: {
    /**
     * Durable when it returns. An entry of that id is replaced as a whole. "conflict", with no entry left, where it is
     * new and the file of one of its locks has been removed since: another command may hold a lock of that name.
     */
    open(entry: JournalEntry): Promise<void>;
    /**
     * To be asked under the locks of an entry of another's before it is recovered: whoever comes now sees that somebody
     * works on it. "conflict" where the file of one of these locks has been removed. Where there is no such entry,
     * nothing happens.
     */
    claim(entry: JournalEntry): Promise<void>;
    /** Where there is no such entry, nothing happens. */
    close(id: string): Promise<void>;
    /** Oldest first. "integrity" where any entry cannot be read: an operation may hide in it. */
    list(): Promise<JournalEntry[]>;
    /** The same for doctor, who goes on with the entries that can be read. */
    scan(): Promise<{ entries: JournalEntry[]; damaged: { readonly name: string; readonly why: string }[] }>;
    /** Moves a damaged entry (a `name` of scan) out of the way, and says where to. */
    setAside(name: string): Promise<string>;
    /** What was set aside and still lies there: what it names stays in use until somebody removes it. */
    aside(): Promise<KeptText[]>;
  };
  /**
   * For doctor: puts what was stored last in the place of a state.json that is damaged, missing or older, from its good
   * copies and the records of things. `from`: in words; null: it was good. "integrity" where nothing of it is left.
   */
  restoreLastGood(): Promise<{ readonly from: string | null; readonly damagedFile: string | null }>;
  /** All that is kept of earlier states, damaged ones too. */
  stateCopies(): Promise<KeptText[]>;
  /**
   * The file that says that the state was put together from parts, and that something may be missing in it; null: it is
   * whole. While it is there nothing is freed, merged or taken for a file that nothing remembers.
   */
  doubt(): Promise<string | null>;
  /** Writes a small file durably, mode 0600, in a folder of the store that is 0700. */
  writeRecord(name: string, text: string): Promise<void>;
  /** Null where there is no such record. */
  findRecord(name: string): Promise<string | null>;
  /** "integrity" where there is no such record. */
  readRecord(name: string): Promise<string>;
  /** Sorted names. */
  listRecords(): Promise<string[]>;
  /** Durable when it returns; where there is no such record, nothing happens. */
  removeRecord(name: string): Promise<void>;
  /**
   * The log of operations (`event list`), for people: nothing is decided by it, and it need not survive a power cut.
   */
  events: {
    append(event: OperationEvent): Promise<void>;
    /** Oldest first; the oldest of all are dropped some 10 MB back. */
    list(): Promise<OperationEvent[]>;
  };
}

/** Absolute paths inside the store. */
export interface StorePaths {
  readonly home: string;
  layer(id: string): string; // layers/ID.qcow2
  record(name: string): string; // records/NAME
  nvram(name: string): string; // nvram/NAME
  memory(name: string): string; // memory/NAME
  seed(uuid: string): string; // seeds/UUID.iso
  consoleLog(uuid: string): string; // consoles/UUID.log
  oldConsoleLogs(uuid: string): string[]; // what became of it when it grew too large
  knownHosts(uuid: string): string; // known-hosts/UUID
  readonly layersFolder: string;
  readonly sharesFolder: string; // shares/: what others may know of images that are shared with them
}
