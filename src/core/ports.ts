/**
 * What core needs of the world, as interfaces that core owns. The factory hands in src/host and src/store; tests hand in fakes.
 * Everything may throw EstratoError.
 */
import type { Action, PerformOptions } from "./model/action.ts";
import type {
  BlockSums,
  Command,
  CronEntry,
  Crontab,
  DataPlace,
  DefinitionEdit,
  DomainDefinition,
  DomainOutline,
  DomainStatus,
  DomainSummary,
  Extent,
  HostCapabilities,
  HostUser,
  ImageFile,
  ImageInfo,
  NetworkInfo,
  NewDomain,
  QemuDisk,
  SecretSummary,
} from "./model/host.ts";
import type { JournalEntry, OperationEvent } from "./model/journal.ts";
import type { State } from "./model/state.ts";

export type { DefinitionEdit, NewDomain } from "./model/host.ts";

/** The machine. */
export interface HostPort {
  /** All domains, in one process. */
  listDomains(): Promise<DomainSummary[]>;
  /** All domains as a list shows them: one process, and a second one for the interfaces of those for which `wanted` is true. */
  domainOutlines(wanted: (domain: DomainSummary) => boolean): Promise<DomainOutline[]>;
  /** By UUID or name; null where there is none. */
  domainStatus(domain: string): Promise<DomainStatus | null>;
  /** The same for many, in as few processes as can be; keyed by UUID. Without `domains`: all. */
  domainStatuses(domains?: readonly string[]): Promise<Map<string, DomainStatus>>;
  /** By UUID: the QEMU process of each of these domains that runs though libvirt takes it for off. */
  strayProcesses(uuids: readonly string[]): Promise<Map<string, number>>;
  /** What QEMU has open, of a running domain. */
  qemuDisks(uuid: string): Promise<QemuDisk[]>;
  /** Is the agent answering now? */
  agentPing(uuid: string, timeoutMs: number): Promise<boolean>;
  /** "frozen" or "thawed"; null where no agent answers. */
  agentFreezeStatus(uuid: string): Promise<"frozen" | "thawed" | null>;
  agentAddresses(uuid: string): Promise<string[] | null>;
  /** Does an ssh server greet at this address, port 22, within the limit? False too when `signal` aborts. */
  sshGreets(address: string, timeoutMs: number, signal?: AbortSignal): Promise<boolean>;
  /** Null where there is no such file. `shared`: a running guest may have it open (-U). Without it, the image lock must be free: "conflict" otherwise. */
  imageInfo(path: string, options?: { readonly shared?: boolean; readonly format?: string }): Promise<ImageInfo | null>;
  /** The extents that the file itself holds, not what it stands on. A running guest may have it open. */
  ownExtents(image: ImageFile): Promise<Extent[]>;
  /** Reads the header of a file from outside, trusting nothing (LIBVIRT.md, trap 9). "host" where it is refused. */
  inspectUntrusted(path: string, format: "qcow2" | "raw" | null): Promise<ImageInfo>;
  /** The same of a qcow2 file in somebody else's store, which must stand on `backing` (a qcow2 file) or, with null, on nothing. "host" where it does not. */
  readSharedLayer(path: string, backing: string | null, encrypted?: boolean): Promise<ImageInfo>;
  /** The users that this host lists; with `key` the one of that name or user id, listed or not. */
  users(key?: string): Promise<HostUser[]>;
  /** The folders above `path` (absolute) through which the user may not pass, outermost first. Null for `user` means everybody. "host" where ACLs cannot be read. */
  blockedFolders(path: string, user: HostUser | null): Promise<string[]>;
  /** A small regular file from outside and who owns it; null where there is none that we may read, or it is larger. */
  readText(path: string, maxBytes: number): Promise<{ readonly text: string; readonly uid: number } | null>;
  /** The crontab that our lines stand in. "host" where the machine has none. */
  crontab(): Promise<Crontab>;
  /** A line of the crontab in `file` (null: the user's own). Pure. "host" where something in it cannot stand in a crontab. */
  cronLine(file: string | null, entry: CronEntry): string;
  /** Opens a file from outside and keeps it open, so that what was checked is what will be read, whatever becomes of its name. "not_found", "host". */
  holdFile(path: string): Promise<HeldFile>;
  /** What a new qcow2 file with the content of this one (and of all it stands on) takes at most. */
  convertedBytes(image: ImageFile): Promise<number>;
  /** Faults in the tables of a qcow2 file: data beyond its end, crossed references. Its header must have been inspected. */
  countFaults(image: Omit<ImageFile, "format">): Promise<number>;
  /** Does qemu-img find the two contents equal? */
  sameContent(a: ImageFile, b: ImageFile): Promise<boolean>;
  /** The secrets that libvirt holds, without their values. */
  listSecrets(): Promise<SecretSummary[]>;
  /** Throws "host" where a file cannot be read, "usage" where it holds no passphrase. */
  checkPassphrase(path: string): Promise<void>;
  fileInfo(path: string): Promise<{
    uid: number;
    gid: number;
    mode: number;
    sizeBytes: number;
    allocatedBytes: number;
    isBlockDevice: boolean;
    isRegularFile: boolean;
    isFolder: boolean;
    isLink: boolean;
  } | null>;
  /** Names in a folder (no dot files); [] where it is not there. */
  listFolder(path: string): Promise<string[]>;
  /**
   * SHA-256 of each block of a file. A block for which `known` has a sum is not read: that one is taken. "not_found".
   * `onProgress`: the fraction that is done.
   */
  blockSums(
    path: string,
    blockBytes: number,
    options?: { readonly known?: readonly (string | null)[]; readonly onProgress?: (fraction: number) => void },
  ): Promise<BlockSums>;
  /** Where in a qcow2 file itself the data lies that it holds, uncompressed: by what the guest sees, and by the file's own bytes. */
  dataPlaces(image: Omit<ImageFile, "format">): Promise<DataPlace[]>;
  freeBytes(path: string): Promise<number>;
  network(name: string): Promise<NetworkInfo | null>;
  listNetworks(): Promise<string[]>;
  capabilities(): Promise<HostCapabilities>;
  /** Edits a definition in place: what we don't know survives. */
  editDefinition(xml: string, edit: DefinitionEdit): string;
  /** A new domain's document. */
  newDefinition(spec: NewDomain): Promise<string>;
  parseDefinition(xml: string): DomainDefinition;
  /** The definition that a saved memory (switch-disks with `memory`) belongs to: to be edited and handed to "restore-memory". */
  memoryDefinition(path: string): Promise<string>;
  screenshot(uuid: string, path: string): Promise<void>;
  /** What connects a terminal with the guest's serial console; `escapeKey` (^]) leaves it. Pure. */
  consoleCommand(uuid: string, escapeKey: string | null): Command;
  /** Runs a program that owns the terminal (ssh, a console); returns its exit code. */
  interactive(command: Command): Promise<number>;
  /** The commands that `perform` would start, for people: pure. */
  commandsFor(action: Action): Command[];
  perform(action: Action, options?: PerformOptions): Promise<void>;
  /** Ends every child that is kept with these descriptors of locks: to be called before they are released. */
  letGo(lockFds: readonly number[]): Promise<void>;
}

/** A file that stays the same file until close(). */
export interface HeldFile {
  /** Names this very file, for this process and its children. */
  readonly path: string;
  /** Differs after every change of its content; cannot be set back by whoever owns the file. */
  stamp(): Promise<string>;
  close(): Promise<void>;
}

/** Held until release() or the end of the process and of every child that inherited it. */
export interface HeldLocks {
  readonly names: readonly string[];
  readonly fds: readonly number[];
  release(): Promise<void>;
}

/** What we remember. */
export interface StorePort {
  readonly paths: StorePaths;
  /** The state as it is now; lean, no lock. "integrity" where no good copy can be read. */
  read(): Promise<State>;
  /** A short transaction under the state lock: what `change` does to the draft is stored durably (fsync of file and folder) before this returns. A throw changes nothing. */
  update<T>(change: (draft: State) => T): Promise<T>;
  /** Kernel locks, taken in sorted order, each with a descriptor that children can inherit. "conflict" after timeoutMs (0: at once). Names: an instance's UUID, a volume's or image's id, a backup target's path. `signal` ends the waiting with "interrupted". */
  lock(names: readonly string[], timeoutMs: number, signal?: AbortSignal): Promise<HeldLocks>;
  /** Locks a file that several stores lock, in a folder that they share (`what` names that for the message); held as other locks are, with no name. Null where it is not there, or its file system carries no locks. "conflict" as `lock`. */
  lockShared(path: string, what: string, timeoutMs: number, signal?: AbortSignal): Promise<HeldLocks | null>;
  journal: {
    /** Durable when it returns. An entry of that id is replaced as a whole. */
    open(entry: JournalEntry): Promise<void>;
    /** Where there is no such entry, nothing happens. */
    close(id: string): Promise<void>;
    /** Oldest first. "integrity" where any entry cannot be read: an operation may hide in it. */
    list(): Promise<JournalEntry[]>;
    /** The same for doctor, who goes on with the entries that can be read. */
    scan(): Promise<{ entries: JournalEntry[]; damaged: { readonly name: string; readonly why: string }[] }>;
    /** Moves a damaged entry (a `name` of scan) out of the way, and says where to. */
    setAside(name: string): Promise<string>;
  };
  /** For doctor: puts the newest good copy in the place of a damaged or missing state.json. `from` null: it was good. */
  restoreLastGood(): Promise<{ readonly from: string | null; readonly damagedFile: string | null }>;
  /** Writes a small file durably, mode 0600, in a folder of the store that is 0700. */
  writeRecord(name: string, text: string): Promise<void>;
  /** "integrity" where there is no such record. */
  readRecord(name: string): Promise<string>;
  /** Sorted names. */
  listRecords(): Promise<string[]>;
  /** Durable when it returns; where there is no such record, nothing happens. */
  removeRecord(name: string): Promise<void>;
  /** The log of operations (`event list`), for people: nothing is decided by it, and it need not survive a power cut. */
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

export interface Clock {
  now(): Date;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Ids {
  /** PREFIX-17 hex digits. */
  next(prefix: "lay" | "vol" | "snap" | "img" | "bak" | "sch" | "op"): string;
  uuid(): string;
  /** A MAC of QEMU's range, 52:54:00:…. */
  mac(): string;
}

/** Core's one way to speak outward. Core never prints and never asks by itself. */
export interface Reporter {
  note(text: string): void; // worth a line on stderr
  progress(title: string, fraction: number | null): void;
  /** Worth a line with -v; not there where nobody asked for it. */
  readonly detail?: ((text: string) => void) | undefined;
  /** A step of a plan: `before` it is done and `after`. Tests end the process here. */
  step(event: {
    readonly operation: string;
    readonly index: number;
    readonly title: string;
    readonly phase: "before" | "after";
  }): void;
  /** A question with a default; "needs_yes" where nobody can answer. */
  confirm(question: { readonly text: string; readonly loses: readonly string[] }): Promise<boolean>;
}

/** What every operation of core is handed. */
export interface World {
  readonly host: HostPort;
  readonly store: StorePort;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly report: Reporter;
  /** Who calls: the user, behind sudo the one who called sudo. */
  readonly user: string;
  /** The command as typed. */
  readonly command: string;
  /** Stores besides those of the host's users in which shared images are looked for: absolute paths. */
  readonly imageStores?: readonly string[];
  readonly lockTimeoutMs: number;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
}
