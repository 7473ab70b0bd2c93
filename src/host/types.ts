/** What the host can be asked and told, in typed values. Knows no snapshot and no image. */

/** A disk of a domain as libvirt defines it. */
export interface DomainDisk {
  readonly device: string; // target: vda
  readonly type: "file" | "block" | "network" | "volume" | "other";
  readonly role: "disk" | "cdrom" | "floppy" | "lun";
  readonly source: string | null; // path of a file or block device
  readonly format: string; // driver type: qcow2, raw; "raw" where none is given
  readonly bus: string;
  readonly readonly: boolean;
  readonly shareable: boolean;
  readonly serial: string | null;
  /** The secret that opens it where it is encrypted (a UUID, or its usage where the definition says that); null where it is not. */
  readonly secret: string | null;
  /** What the definition says that it stands on, top first; null where it leaves that to the files. */
  readonly backing: readonly { readonly path: string | null; readonly secret: string | null }[] | null;
}

/** An image file, and libvirt's secret that opens it and all that it stands on, where it is encrypted. */
export interface ImageFile {
  readonly path: string;
  readonly format: string;
  readonly secret?: string;
}

/** The file of a disk, as a definition names it. */
export interface DiskFile {
  readonly path: string;
  readonly format: string;
  readonly encryption?: DiskEncryption;
}

/**
 * A LUKS disk. libvirt starts it only where the definition names the secret for each file of the chain (measured on both generations): what
 * it stands on, top first, must be said with it.
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
  readonly agentChannel: boolean;
  readonly xml: string; // the document itself, with --security-info
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
  readonly vcpus: number;
  readonly ramBytes: number;
  readonly interfaces: readonly { readonly mac: string; readonly network: string | null }[]; // [] where nobody asked
}

/** All that a verb must know of one domain before it touches it, read in one virsh process. */
export interface DomainStatus extends DomainSummary {
  readonly reason: string; // of `domstate --reason`
  readonly persistent: boolean;
  readonly autostart: boolean;
  readonly managedSave: boolean;
  readonly live: DomainDefinition | null; // null when it is off
  readonly inactive: DomainDefinition;
  readonly snapshots: readonly string[]; // libvirt's own, by name
  readonly checkpoints: readonly string[];
  /** Block jobs of the live definition (device → type of the mirror or job). */
  readonly jobs: readonly { readonly device: string; readonly type: string }[];
}

/** What QEMU itself has open for a disk: the truth of a running guest (DESIGN, section 3). */
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

/** An extent that a layer itself holds (data, or zeros that mask what lies below). */
export interface Extent {
  readonly start: number;
  readonly length: number;
}

/**
 * A change of the machine, as data: the journal and `--dry-run` hold it, the host performs it, the fake simulates it.
 * Each is safe to repeat after a crash where its comment says "idempotent".
 */
export type Action =
  /** A new qcow2 file, mode 0600, owner as given by the host (QEMU's user where it must). Fails where the path exists, unless it is the same one from a crash: idempotent. */
  | {
      readonly do: "create-disk";
      readonly path: string;
      readonly backing: { readonly path: string; readonly format: string } | null;
      readonly sizeBytes: number;
      readonly secret?: string;
    }
  /**
   * All disks in one virsh call onto heads that are there already (--reuse-external), running guests only. Sets the agent's time limit and quiesces inside the call.
   * With `memory` the guest's memory goes to that new file in the same instant (mode 0600, on the disk afterwards); "conflict" where it exists. Not together with `quiesce`.
   */
  | {
      readonly do: "switch-disks";
      readonly domain: string;
      readonly disks: readonly { readonly device: string; readonly path: string; readonly secret?: string }[];
      readonly excluded: readonly string[];
      readonly quiesce: boolean;
      readonly memory?: string;
    }
  /** Resumes a saved memory on the disks that `xml` names (`memoryDefinition`, edited). The domain must be off and defined with the same disks before: "conflict" where it runs. */
  | {
      readonly do: "restore-memory";
      readonly domain: string;
      readonly memory: string;
      readonly xml: string;
      readonly paused: boolean;
    }
  /** Into the persistent definition, and into the guest where it runs. Idempotent; "conflict" where another disk has that target. */
  | { readonly do: "attach-disk"; readonly domain: string; readonly disk: NewDisk }
  /** Out of the guest where it runs (waits until it has let go; "timeout"), then out of the definition. Idempotent. */
  | { readonly do: "detach-disk"; readonly domain: string; readonly device: string; readonly timeoutMs: number }
  /** Grows a disk of a running guest (libvirt itself would shrink it without a word). Idempotent. */
  | { readonly do: "block-resize"; readonly domain: string; readonly device: string; readonly sizeBytes: number }
  /** Waits until libvirt has ended what it does for somebody who died (a memory that is being saved). Idempotent. */
  | { readonly do: "await-job"; readonly domain: string }
  /** Sets the guest's clock by its agent: after a resume it is as old as the memory. No error where the agent is silent. Idempotent. */
  | { readonly do: "sync-clock"; readonly domain: string }
  /** Thaws the guest's file systems; no error where the agent is silent. Idempotent. */
  | { readonly do: "thaw"; readonly domain: string }
  /** Defines this document. Idempotent. */
  | { readonly do: "define"; readonly xml: string }
  /** Reads the persistent definition, sets these disks' files, drops every <backingStore> that is not an encrypted disk's, defines it. Idempotent. */
  | {
      readonly do: "redefine";
      readonly domain: string;
      readonly disks: readonly (DiskFile & { readonly device: string })[];
    }
  | { readonly do: "undefine"; readonly domain: string; readonly nvram: boolean } // idempotent
  | { readonly do: "start"; readonly domain: string; readonly paused: boolean } // idempotent: running is fine
  | { readonly do: "destroy"; readonly domain: string } // idempotent
  | { readonly do: "shutdown"; readonly domain: string; readonly timeoutMs: number; readonly thenDestroy: boolean } // waits; "timeout" if not thenDestroy
  | { readonly do: "reboot"; readonly domain: string; readonly hard: boolean }
  | { readonly do: "suspend"; readonly domain: string } // idempotent
  | { readonly do: "resume"; readonly domain: string } // idempotent
  | { readonly do: "autostart"; readonly domain: string; readonly on: boolean } // idempotent
  /** Of a domain that is off. Idempotent. */
  | { readonly do: "rename"; readonly domain: string; readonly name: string }
  /** qemu-img commit -d: `top`'s own data into the file it stands on, nobody holding either. Idempotent. */
  | {
      readonly do: "commit";
      readonly top: string;
      readonly topFormat: string;
      readonly base: string;
      readonly secret?: string;
    }
  /** qemu-img rebase, safe mode: `file` gets all that lay between it and `backing`. Idempotent. */
  | {
      readonly do: "rebase";
      readonly file: string;
      readonly backing: { readonly path: string; readonly format: string } | null;
      readonly secret?: string;
    }
  /** qemu-img rebase -u: only the name in the header. Idempotent. */
  | {
      readonly do: "relink";
      readonly file: string;
      readonly backing: { readonly path: string; readonly format: string };
      readonly secret?: string;
    }
  /**
   * blockpull of a running guest's head down to `base` (excluded; null: everything). Waits for the end, and until QEMU has
   * written all of it. Idempotent while that guest runs. Where the guest died before this returned, the head's header may have
   * dropped layers whose data it does not hold yet (measured on QEMU 7.2): "relink" it to what it stood on, then "rebase".
   */
  | { readonly do: "block-pull"; readonly domain: string; readonly device: string; readonly base: string | null }
  /** blockcommit of a middle layer of a running guest. Waits for the end. */
  | {
      readonly do: "block-commit";
      readonly domain: string;
      readonly device: string;
      readonly top: string;
      readonly base: string;
    }
  /**
   * blockcommit --active and pivot: the running guest goes on in `base`. Waits for the end. `part`: only up to where the pivot could be,
   * the job going on (idempotent), or only the pivot of a job that has come so far.
   */
  | {
      readonly do: "block-commit-active";
      readonly domain: string;
      readonly device: string;
      readonly base: string;
      readonly part?: "ready" | "pivot";
    }
  /** Waits for, or aborts, a block job that goes on after a crash. Idempotent. */
  | { readonly do: "settle-job"; readonly domain: string; readonly device: string; readonly abort: boolean }
  | { readonly do: "set-mode"; readonly path: string; readonly mode: number } // idempotent
  /**
   * Sets the mode of a file or folder, and who besides its owner may use it, whatever was set before: `readers` (user ids, by POSIX ACL) may do what the
   * mode's middle digit says, the owning group nothing. "host" where there are readers and the file system or the host knows no ACLs. Idempotent.
   */
  | { readonly do: "set-access"; readonly path: string; readonly mode: number; readonly readers: readonly number[] }
  /** Lets everybody pass through a folder, and takes nothing away. Idempotent. */
  | { readonly do: "open-passage"; readonly path: string }
  /** Mode 0700. Idempotent: one that is there stays as it is. */
  | { readonly do: "make-folder"; readonly path: string }
  /** An empty one. "conflict" where it is not empty. Idempotent. */
  | { readonly do: "remove-folder"; readonly path: string }
  /** A small file, whole or not at all, mode 0600 if not said, in the place of what was there. Durable. Idempotent. */
  | { readonly do: "write-file"; readonly path: string; readonly text: string; readonly mode?: number }
  /** An empty file in a folder of somebody else's; "conflict" where that folder takes none from us. Off: removed, or out of our reach. Idempotent. */
  | { readonly do: "mark-use"; readonly path: string; readonly on: boolean }
  | { readonly do: "set-owner"; readonly path: string; readonly uid: number; readonly gid: number } // idempotent
  | { readonly do: "sync"; readonly path: string } // a file and its name are on the disk; idempotent
  | { readonly do: "unlink"; readonly path: string } // idempotent: absent is fine
  /** A copy of a small file (NVRAM), through a temporary name, fsynced. Idempotent. */
  | { readonly do: "copy-file"; readonly from: string; readonly to: string; readonly mode: number }
  /** A copy of what an emulated TPM keeps, mode 0400, fsynced; also while its guest runs. One that is there already stays. Never follows a link. Idempotent. */
  | { readonly do: "save-tpm"; readonly from: string; readonly to: string }
  /** What this domain's TPM has kept from now on. "conflict" where it runs; it need not be defined yet. Idempotent. */
  | { readonly do: "place-tpm"; readonly domain: string; readonly from: string; readonly to: string }
  /** What libvirt keeps of the TPM of a domain (by UUID) that it no longer has; "conflict" where it has. Idempotent. */
  | { readonly do: "remove-tpm"; readonly domain: string }
  /** qemu-img convert of a whole chain into a new self-standing file, through `to`.part and a rename; fsynced. Reports progress. Idempotent. */
  | {
      readonly do: "convert";
      readonly from: string;
      readonly fromFormat: string;
      readonly to: string;
      readonly toFormat: string;
      readonly compress: boolean;
      readonly mode: number;
      /** Opens what is copied. */
      readonly secret?: string;
      /** The copy becomes a LUKS qcow2; never together with `compress`. */
      readonly encrypt?: CopyEncryption;
    }
  /**
   * What `layers` hold, each on the one before it, oldest first, as one qcow2 file on `backing` (a name that may be relative to `to`, so that
   * both can move together). Only the layers' own clusters are read and written. Through `to`.part and a rename; fsynced. Idempotent.
   */
  | {
      readonly do: "convert-delta";
      readonly layers: readonly ImageFile[];
      readonly to: string;
      readonly backing: { readonly path: string; readonly format: string };
      readonly sizeBytes: number;
      readonly compress: boolean;
      readonly mode: number;
      /** Of the file and of all that it stands on. Not together with `compress`. */
      readonly encrypt?: CopyEncryption;
    }
  /** Gives a folder its name, durably. Idempotent: done where `from` has gone and `to` is there. "conflict" where both are. */
  | { readonly do: "move-folder"; readonly from: string; readonly to: string }
  /** A folder and the files in it; "conflict" where there is a folder in it. Idempotent. */
  | { readonly do: "discard-folder"; readonly path: string }
  /** Gives a finished file its name, durably. "conflict" where `to` is there and may not be replaced. */
  | { readonly do: "move-file"; readonly from: string; readonly to: string; readonly replace: boolean }
  /** Offline, growing only. */
  | {
      readonly do: "resize-disk";
      readonly path: string;
      readonly format: string;
      readonly sizeBytes: number;
      readonly secret?: string;
    }
  /** Gives libvirt a secret whose value is what `file` holds now, a newline at its end left out. The value is in no argument, and nowhere else. Idempotent. */
  | { readonly do: "define-secret"; readonly secret: string; readonly description: string; readonly file: string }
  | { readonly do: "undefine-secret"; readonly secret: string } // idempotent
  | {
      readonly do: "reserve-address";
      readonly network: string;
      readonly mac: string;
      readonly ip: string;
      readonly name: string;
    } // idempotent
  | { readonly do: "release-address"; readonly network: string; readonly mac: string; readonly ip: string } // idempotent
  /** These lines in the place of all that end in `mark`, in `file` or (null) in the user's crontab; all others stay byte for byte. Idempotent. */
  | {
      readonly do: "set-crontab";
      readonly file: string | null;
      readonly mark: string;
      readonly lines: readonly string[];
    }
  /** Runs a program of the user's, in no shell. "failed" with its last words where it does not exit 0; "timeout", and then all that it started is ended. */
  | {
      readonly do: "run-hook";
      readonly path: string;
      readonly environment: Readonly<Record<string, string>>;
      readonly timeoutMs: number;
    }
  /** An ISO 9660 file labelled cidata. Idempotent. */
  | {
      readonly do: "create-seed";
      readonly path: string;
      readonly metaData: string;
      readonly userData: string;
      readonly networkConfig: string | null;
    };

/** An extent of data, and where in the file it lies. */
export interface DataPlace extends Extent {
  readonly fileOffset: number;
}

/** Checksums of a file, block by block. */
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
}

export interface PerformOptions {
  /** Descriptors of locks that a child which changes disks inherits (STACK.md, Locks). */
  readonly lockFds?: readonly number[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number) => void;
  /** How long a running guest stood still while its memory was saved, in ms; not called where nothing told. */
  readonly onStall?: (ms: number) => void;
}

export interface NetworkInfo {
  readonly name: string;
  readonly active: boolean;
  readonly dhcp: {
    readonly start: string;
    readonly end: string;
    readonly gateway: string;
    readonly prefix: number;
  } | null;
  readonly reservations: readonly { readonly mac: string; readonly ip: string; readonly name: string | null }[];
  readonly leases: readonly { readonly mac: string; readonly ip: string }[];
}

export interface HostCapabilities {
  readonly kvm: boolean; // /dev/kvm AND vmx or svm in /proc/cpuinfo
  readonly arch: string;
  readonly machine: string; // q35 …
  readonly machines: readonly string[]; // all that QEMU knows, aliases too
  readonly emulator: string;
  readonly qemuUser: { readonly uid: number; readonly gid: number } | null; // null: QEMU runs as us
  readonly libvirtVersion: string;
  readonly qemuVersion: string;
  readonly maxChain: number; // 24 where libvirt cannot start longer ones (10.8 to 11.10), else 128
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

/** Changes of a definition; all that is not named stays as it is. */
export interface DefinitionEdit {
  readonly name?: string;
  readonly uuid?: string;
  readonly vcpus?: number;
  readonly ramBytes?: number;
  /** Per target device that is there already ("conflict" where it is not): a new file; null removes the disk. */
  readonly disks?: Readonly<Record<string, DiskFile | null>>;
  readonly addDisks?: readonly NewDisk[]; // "conflict" where the device is taken
  readonly macs?: Readonly<Record<string, string>>; // old → new
  readonly nvram?: string;
  readonly ownTpm?: boolean; // where libvirt puts it by the UUID, not at a place that the definition names
  /** Of all disks but encrypted ones: those have it from whoever set their file. */
  readonly dropBackingStore?: boolean;
  readonly newGenerationId?: boolean;
  readonly consoleLog?: string;
}

export interface NewDomain {
  readonly name: string;
  readonly uuid: string;
  readonly vcpus: number;
  readonly ramBytes: number;
  readonly disks: readonly NewDisk[];
  readonly interfaces: readonly { readonly network: string; readonly mac: string }[];
  readonly consoleLog: string;
  /** UEFI without Secure Boot, with variables of its own in that file; BIOS where there is none. */
  readonly nvram?: string;
}
