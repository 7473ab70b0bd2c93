/**
 * What the machine can be asked and told, in typed values: the facts that the host answers with. Knows no snapshot and
 * no image.
 */

/** A file whose name begins with a dot, and what is known of who writes it. */
export interface HiddenFile {
  readonly path: string;
  /**
   * "unknown": it has no name that we give. "kept": a download, with which the same command goes on; "expired": one
   * with which nobody has.
   */
  readonly writer: "living" | "dead" | "kept" | "expired" | "unknown";
}

/** One command to a guest's agent (QEMU, qga/qapi-schema.json). */
export interface AgentCommand {
  readonly execute: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

/**
 * What became of it. `value` is the guest's word, and may be anything. Refused: `silent`, no agent is there, or none
 * answered in time (it may have been done); `disabled`, it does not take this command now; `off`, the guest does not
 * run; `failed`, in the agent's or libvirt's `words`.
 */
export type AgentAnswer =
  | { readonly refused: null; readonly value: unknown }
  | { readonly refused: "silent" | "disabled" | "off" | "failed"; readonly words: string };

/** A disk of a domain as libvirt defines it. */
export interface DomainDisk {
  readonly device: string; // target: vda
  readonly type: "file" | "block" | "network" | "volume" | "other";
  readonly role: "disk" | "cdrom" | "floppy" | "lun";
  readonly source: string | null; // path of a file or block device
  /** The pool and the volume that name it; `source` is their path where the pool has one. Null: named by its path. */
  readonly pool: PoolVolume | null;
  readonly format: string; // driver type: qcow2, raw; "raw" where none is given
  readonly bus: string;
  readonly readonly: boolean;
  readonly shareable: boolean;
  readonly serial: string | null;
  /**
   * The secret that opens it where it is encrypted (a UUID, or its usage where the definition says that); null where it
   * is not.
   */
  readonly secret: string | null;
  /** What the definition says that it stands on, top first; null where it leaves that to the files. */
  readonly backing: readonly DefinedBacking[] | null;
  /** The definition says that it stands on nothing more: libvirt then looks into no file. */
  readonly backingEnds: boolean;
  /** What the definition says besides, which goes lost with another file: "<slices>", "<transient/>"; null: nothing. */
  readonly unlayerable: string | null;
}

/** A volume of a storage pool of libvirt's. */
export interface PoolVolume {
  readonly name: string; // of the pool
  readonly volume: string;
  readonly type: string | null; // dir, logical, iscsi, …; null where libvirt has not been asked, or does not know it
}

/** A file that a definition says a disk stands on. */
export interface DefinedBacking {
  readonly path: string | null; // null: none that lies here
  readonly format: string | null;
  readonly secret: string | null;
}

/** An image file, and libvirt's secret that opens it and all that it stands on, where it is encrypted. */
export interface ImageFile {
  readonly path: string;
  readonly format: string;
  readonly secret?: string;
}

/** One of which something is asked before libvirt has its passphrase, which then comes from the file that holds it. */
export interface AskedFile extends ImageFile {
  readonly passphraseFile?: string;
}

/** The file of a disk, as a definition names it. */
export interface DiskFile {
  readonly path: string;
  readonly format: string;
  readonly encryption?: DiskEncryption;
}

/**
 * A LUKS disk. libvirt starts it only where the definition names the secret for each file of the chain (measured on
 * both generations): what it stands on, top first, must be said with it.
 */
export interface DiskEncryption {
  readonly secret: string; // libvirt's UUID of it
  readonly backing: readonly { readonly path: string; readonly format: string }[];
}

/** How a copy is encrypted: with a secret that libvirt holds, or with the passphrase in a file. */
export type CopyEncryption = { readonly secret: string } | { readonly passphraseFile: string };

/** A secret that libvirt holds. */
export interface SecretSummary {
  readonly uuid: string;
  readonly description: string;
}

export interface DomainInterface {
  readonly mac: string;
  readonly network: string | null; // libvirt network, null for bridges and others
  readonly type: string;
  readonly target: string | null;
  readonly bridge?: string; // of one of type bridge
  readonly user?: UserNetwork; // of one of type user
}

/** A port of this host that leads to a port of a guest which has a network of its own user. */
export interface Forward {
  readonly protocol: "tcp" | "udp";
  readonly address: string; // IPv4, of this host
  readonly host: number; // port of this host
  readonly guest: number; // port of the guest
}

/** What serves a network that needs no root: passt, which libvirt runs beside QEMU, or QEMU itself (slirp). */
export type UserBackend = "passt" | "qemu";

export interface UserNetwork {
  readonly backend: UserBackend;
  /** Of passt's; those of QEMU's own stand in no definition: it is told them while it runs. */
  readonly forwards: readonly Forward[];
  /** How QEMU's monitor calls it; null where the domain is off. */
  readonly netdev: string | null;
}

/** What a network card is plugged into. */
export type CardSource =
  | { readonly network: string }
  | { readonly bridge: string }
  | { readonly user: Pick<UserNetwork, "backend" | "forwards"> };

/** A network card to be written into a definition. */
export type NewCard = CardSource & { readonly mac: string };

/**
 * What listening at a port comes to: a process has it, we may not (below 1024 without root), or the address is none of
 * this machine's.
 */
export type Listening = "free" | "taken" | "forbidden" | "no-address";

/** Where somebody listens. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** What the XML of a domain says. */
export interface DomainDefinition {
  readonly uuid: string;
  readonly name: string;
  readonly vcpus: number;
  readonly ramBytes: number;
  readonly disks: readonly DomainDisk[];
  readonly interfaces: readonly DomainInterface[];
  readonly nvram: string | null; // path
  readonly machine: string; // pc-q35-7.2; an alias (q35) where nothing has expanded it yet
  readonly firmware: boolean; // UEFI, not the BIOS that QEMU brings: boots only what was installed for it
  readonly tpm: string | null; // path of what its emulated TPM keeps, outside the disks
  readonly generationId: boolean; // it has one (<genid>)
  readonly agentChannel: boolean;
  readonly marks: readonly DomainMark[]; // of this very guest: those that a clone has from another one are left out
  readonly xml: string; // the document itself, with --security-info
}

/**
 * What a store writes into the definition of a guest that it remembers, so that no other one takes the guest for
 * nobody's (DESIGN.md, invariant 11).
 */
export interface DomainMark {
  readonly store: string; // its id
  readonly machine: string; // as in the store's binding
  readonly machineName: string; // for people
  readonly home: string; // the folder of the store
}

export type DomainState =
  | "running"
  | "paused"
  | "shutoff"
  | "crashed"
  | "pmsuspended"
  | "shutdown"
  | "blocked"
  | "dying";

/** A line of the list of domains: cheap enough for a hundred of them. */
export interface DomainSummary {
  readonly uuid: string;
  readonly name: string;
  readonly state: DomainState;
}

/** A domain as `instance list` shows it: read for a hundred of them without their XML. */
export interface DomainOutline extends DomainSummary {
  readonly managedSave: boolean;
  readonly vcpus: number;
  readonly ramBytes: number;
  readonly interfaces: readonly { readonly mac: string; readonly network: string | null }[]; // [] where nobody asked
}

/** What a running domain has used since it was started, and its memory now. */
export interface DomainLoad {
  readonly uuid: string;
  readonly name: string;
  readonly vcpus: number;
  readonly cpuNs: number;
  readonly ramBytes: number; // what it was given
  /** What its guest uses, as its balloon driver says; null: it says nothing. */
  readonly usedBytes: number | null;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** All that a verb must know of one domain before it touches it, read in one virsh process. */
export interface DomainStatus extends DomainSummary {
  readonly reason: string; // of `domstate --reason`; "" where it is off and others were asked for with it
  readonly persistent: boolean;
  readonly autostart: boolean;
  readonly managedSave: boolean;
  readonly live: DomainDefinition | null; // null when it is off
  readonly inactive: DomainDefinition;
  readonly snapshots: readonly string[]; // libvirt's own, by name
  readonly checkpoints: readonly string[];
  /** Block jobs of the live definition (device → type of the mirror or job). */
  readonly jobs: readonly DomainJob[];
  /** What QEMU has open, where that was asked for in the same breath and QEMU runs and answers. */
  readonly qemu?: readonly QemuDisk[];
}

export interface DomainJob {
  readonly device: string;
  readonly type: string;
  /**
   * Only the definition still names it: QEMU ended it while libvirtd was away, and libvirt takes it for a job until the
   * guest stops (measured on 11.3).
   */
  readonly ended?: true;
}

/** What QEMU itself has open for a disk: the truth of a running guest (DESIGN.md, section 3). */
export interface QemuDisk {
  readonly device: string; // target name, found by alias
  readonly chain: readonly string[]; // paths, top first
  readonly sizeBytes: number; // of the live device
}

/** `qemu-img info` of one file. */
export interface ImageInfo {
  readonly path: string;
  readonly format: string;
  readonly virtualSizeBytes: number;
  readonly actualSizeBytes: number; // allocated
  readonly backing: string | null; // the header's words, resolved to an absolute path
  readonly backingFormat: string | null;
  readonly encrypted: boolean;
  readonly dirty: boolean; // dirty or corrupt flag
  readonly internalSnapshots: number;
}

/** The fault of an image whose data lie in a file of their own. */
export const DATA_ELSEWHERE = "keeps its data in another file";

/** A file of a disk's chain, as the header above it names it. */
export interface ChainFile {
  readonly path: string; // absolute; the header's words where they name no local file
  readonly format: string | null; // null: the header above names none
  readonly identity: string | null; // as of the file's facts; null: it is not there
  readonly encrypted: boolean;
  /** Why it is no layer, in words that follow its path: "keeps its data in another file"; null where it may be one. */
  readonly fault: string | null;
}

/** The chain that begins at a file taken as of this format, where it was read a moment ago. */
export type KnownChain = (path: string, format: string | null) => readonly ChainFile[] | undefined;

/** An extent that a layer itself holds (data, or zeros that mask what lies below). */
export interface Extent {
  readonly start: number;
  readonly length: number;
}

/** An extent of data, and where in the file it lies. */
export interface DataPlace extends Extent {
  readonly fileOffset: number;
}

/** Checksums of a file, block by block. */
export interface BlockSumsOptions {
  /** Of blocks that need not be read: these are taken. */
  readonly known?: readonly (string | null)[];
  readonly onProgress?: (fraction: number) => void; // that is done
  readonly signal?: AbortSignal;
}

export interface BlockSums {
  readonly sizeBytes: number;
  readonly sums: readonly string[]; // SHA-256, hexadecimal
}

/** The crontab that our lines stand in. */
export interface Crontab {
  readonly file: string | null; // null: the user's own, through crontab(1)
  readonly text: string;
}

/** What one of our lines says. */
export interface CronEntry {
  readonly when: string; // five fields, or @reboot
  readonly environment: Readonly<Record<string, string>>;
  readonly command: Command;
  /** Ends the line, and tells it from all others. */
  readonly mark: string;
}

/** A child process as a person would type it. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** In a plan: it is run only where this is so, in words that stand behind "only if". */
  readonly onlyIf?: string;
  /** In a plan: what the file holds that its last argument names, and that is made for it. */
  readonly reads?: string;
}

export interface NetworkInfo {
  readonly name: string;
  readonly active: boolean;
  readonly mode?: string | null; // of `<forward>`; null: it leads nowhere
  readonly bridge?: string | null; // of this host, that carries it
  readonly dhcp: {
    readonly start: string;
    readonly end: string;
    readonly gateway: string;
    readonly prefix: number;
  } | null;
  readonly reservations: readonly { readonly mac: string; readonly ip: string; readonly name: string | null }[];
  /** `givenAt`, ISO 8601: when it was given or renewed last; null where nothing tells. */
  readonly leases: readonly { readonly mac: string; readonly ip: string; readonly givenAt?: string | null }[];
}

export interface HostCapabilities {
  readonly kvm: boolean; // /dev/kvm AND vmx or svm in /proc/cpuinfo
  readonly arch: string;
  readonly machine: string; // q35 …
  readonly machines: readonly string[]; // all that QEMU knows, aliases too
  readonly emulator: string;
  readonly qemuUser: { readonly uid: number; readonly gid: number } | null; // null: QEMU runs as us
  /** It gives our files to that user, and we are not root, who could still read them. */
  readonly takesFiles?: boolean;
  readonly libvirtVersion: string;
  readonly qemuVersion: string;
  /** How many bytes the first 20 characters of a domain's name may take; not there: nobody knows. */
  readonly nameStartBytes?: number;
  readonly maxChain: number; // 24 where libvirt cannot start longer ones (10.8 to 11.10), else 128
}

/** What a machine can have here at most; null: nothing tells. */
export interface MachineLimits {
  readonly vcpus: number | null;
  readonly ramBytes: number | null;
}

/** A user of this host. */
export interface HostUser {
  readonly name: string;
  readonly uid: number;
  readonly home: string; // absolute
}

/** One disk of a definition to be written. */
export interface NewDisk extends DiskFile {
  readonly device: string; // target: vda (virtio), sda (scsi), hda (ide)
  readonly readonly: boolean;
  readonly serial: string | null; // the guest sees 20 characters of it
}

/** A definition that was built of what is taken of another one. */
export interface TakenDefinition {
  readonly xml: string;
  /** What is not in it, in words for people, others' among them: to be shown made harmless. */
  readonly leftOut: readonly string[];
}

/** Changes of a definition; all that is not named stays as it is. */
export interface DefinitionEdit {
  readonly name?: string;
  readonly uuid?: string;
  readonly vcpus?: number;
  readonly ramBytes?: number;
  /** Per target device that is there already ("conflict" where it is not): a new file; null removes the disk. */
  readonly disks?: Readonly<Record<string, DiskFile | null>>;
  readonly addDisks?: readonly NewDisk[]; // "conflict" where the device is taken
  /** Per target device that is there: named by a pool and a volume instead of its path. */
  readonly poolDisks?: Readonly<Record<string, Pick<PoolVolume, "name" | "volume">>>;
  readonly macs?: Readonly<Record<string, string>>; // old → new
  readonly networks?: Readonly<Record<string, CardSource>>; // by MAC (a new one)
  readonly dropInterfaces?: readonly string[]; // by MAC (a new one)
  readonly addInterfaces?: readonly NewCard[];
  readonly forwards?: readonly Forward[]; // of the network that passt serves; nothing where none does
  readonly nvram?: string;
  readonly ownTpm?: boolean; // where libvirt puts it by the UUID, not at a place that the definition names
  /** Of all disks but encrypted ones: those have it from whoever set their file. */
  readonly dropBackingStore?: boolean;
  readonly newGenerationId?: boolean;
  readonly dropGenerationId?: boolean;
  readonly dropMarks?: boolean; // all stores', before one is set
  readonly mark?: DomainMark;
  readonly consoleLog?: string;
}

export interface NewDomain {
  readonly name: string;
  readonly uuid: string;
  readonly vcpus: number;
  readonly ramBytes: number;
  readonly disks: readonly NewDisk[];
  readonly interfaces: readonly NewCard[];
  readonly consoleLog: string;
  /** UEFI without Secure Boot, with variables of its own in that file; BIOS where there is none. */
  readonly nvram?: string;
  readonly mark?: DomainMark;
}
