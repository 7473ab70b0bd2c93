/** What can be changed of the machine: every change that any verb makes is one of these. */
import type { CopyEncryption, DiskFile, DomainMark, Forward, ImageFile, NewDisk } from "./host.ts";

/**
 * A change of the machine, as data: the journal and `--dry-run` hold it, the host performs it, the fake simulates it.
 * Each is safe to repeat after a crash where its comment says "idempotent".
 */
export type Action =
  /**
   * A new qcow2 file, mode 0600, owner as given by the host (QEMU's user where it must). Fails where the path exists,
   * unless it is the same one from a crash: idempotent.
   */
  | {
      readonly do: "create-disk";
      readonly path: string;
      readonly backing: { readonly path: string; readonly format: string } | null;
      readonly sizeBytes: number;
      readonly secret?: string;
    }
  /**
   * All disks in one virsh call onto heads that are there already (--reuse-external), running guests only. Sets the
   * agent's time limit and quiesces inside the call. With `memory` the guest's memory goes to that new file in the same
   * instant (mode 0600, on the disk afterwards); "conflict" where it exists. Not together with `quiesce`.
   */
  | {
      readonly do: "switch-disks";
      readonly domain: string;
      readonly disks: readonly { readonly device: string; readonly path: string; readonly secret?: string }[];
      readonly excluded: readonly string[];
      readonly quiesce: boolean;
      readonly memory?: string;
    }
  /**
   * Resumes a saved memory on the disks that `xml` names (`memoryDefinition`, edited). The domain must be off and
   * defined with the same disks before: "conflict" where it runs.
   */
  | {
      readonly do: "restore-memory";
      readonly domain: string;
      readonly memory: string;
      readonly xml: string;
      readonly paused: boolean;
    }
  /**
   * Into the persistent definition, and into the guest where it runs. Idempotent; "conflict" where another disk has
   * that target.
   */
  | { readonly do: "attach-disk"; readonly domain: string; readonly disk: NewDisk }
  /** Out of the guest where it runs (waits until it has let go; "timeout"), then out of the definition. Idempotent. */
  | { readonly do: "detach-disk"; readonly domain: string; readonly device: string; readonly timeoutMs: number }
  /** Grows a disk of a running guest (libvirt itself would shrink it without a word). Idempotent. */
  | { readonly do: "block-resize"; readonly domain: string; readonly device: string; readonly sizeBytes: number }
  /** Waits until libvirt has ended what it does for somebody who died (a memory that is being saved). Idempotent. */
  | { readonly do: "await-job"; readonly domain: string }
  /**
   * Sets the guest's clock by its agent: after a resume it is as old as the memory. No error where the agent is silent.
   * Idempotent.
   */
  | { readonly do: "sync-clock"; readonly domain: string }
  /** Thaws the guest's file systems; no error where the agent is silent. Idempotent. */
  | { readonly do: "thaw"; readonly domain: string }
  /** Defines this document. Idempotent. */
  | { readonly do: "define"; readonly xml: string }
  /**
   * Reads the persistent definition, sets these disks' files, drops every <backingStore> that is not an encrypted
   * disk's, defines it where that changes it. `xml`: what was just read of it is taken in its place. Idempotent.
   */
  | {
      readonly do: "redefine";
      readonly domain: string;
      readonly xml?: string;
      readonly disks: readonly (DiskFile & { readonly device: string })[];
    }
  /** `saved`: with the memory that libvirt has saved of it. Idempotent. */
  | { readonly do: "undefine"; readonly domain: string; readonly nvram: boolean; readonly saved?: boolean }
  | { readonly do: "start"; readonly domain: string; readonly paused: boolean } // idempotent: running is fine
  | { readonly do: "destroy"; readonly domain: string } // idempotent
  // Waits; "timeout" if not thenDestroy
  | { readonly do: "shutdown"; readonly domain: string; readonly timeoutMs: number; readonly thenDestroy: boolean }
  | { readonly do: "reboot"; readonly domain: string; readonly hard: boolean }
  | { readonly do: "suspend"; readonly domain: string } // idempotent
  | { readonly do: "resume"; readonly domain: string } // idempotent
  | { readonly do: "autostart"; readonly domain: string; readonly on: boolean } // idempotent
  /**
   * A store's mark in both definitions, beside those of other stores; off: out of them, done where there is no such
   * domain. Idempotent.
   */
  | { readonly do: "mark-domain"; readonly domain: string; readonly mark: DomainMark; readonly on: boolean }
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
  /**
   * qemu-img rebase, safe mode: `file` gets all that lay between it and `backing`. Idempotent. `mayStop`: as of
   * "block-pull".
   */
  | {
      readonly do: "rebase";
      readonly file: string;
      readonly backing: { readonly path: string; readonly format: string } | null;
      readonly secret?: string;
      readonly mayStop?: true;
    }
  /** qemu-img rebase -u: only the name in the header. Idempotent. */
  | {
      readonly do: "relink";
      readonly file: string;
      readonly backing: { readonly path: string; readonly format: string };
      readonly secret?: string;
    }
  /**
   * blockpull of a running guest's head down to `base` (excluded; null: everything). Waits for the end, and until QEMU
   * has written all of it. Idempotent while that guest runs. Where the guest died before this returned, the head's
   * header may have dropped layers whose data it does not hold yet (measured on QEMU 7.2): "relink" it to what it stood
   * on, then "rebase". `mayStop`: an interruption ends it half-way, "interrupted"; the head reads the same, and what it
   * has stays.
   */
  | {
      readonly do: "block-pull";
      readonly domain: string;
      readonly device: string;
      readonly base: string | null;
      readonly mayStop?: true;
    }
  /** blockcommit of a middle layer of a running guest. Waits for the end. */
  | {
      readonly do: "block-commit";
      readonly domain: string;
      readonly device: string;
      readonly top: string;
      readonly base: string;
    }
  /**
   * blockcommit --active and pivot: the running guest goes on in `base`. Waits for the end. `part`: only up to where
   * the pivot could be, the job going on (idempotent), or only the pivot of a job that has come so far.
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
  /**
   * A running QEMU closes what it has open of a file that no job of it uses and no disk that libvirt knows of: libvirtd
   * died before it had told it, and never does so later. "conflict" where the guest does not let go of a disk on it.
   * Idempotent; done where the domain is off or gone.
   */
  | { readonly do: "close-unused"; readonly domain: string; readonly path: string }
  /** `ifThere`: absent is fine. Idempotent. */
  | { readonly do: "set-mode"; readonly path: string; readonly mode: number; readonly ifThere?: true }
  /**
   * Sets the mode of a file or folder, and who besides its owner may use it, whatever was set before: `readers` (user
   * ids, by POSIX ACL) may do what the mode's middle digit says, the owning group nothing. "host" where there are
   * readers and the file system or the host knows no ACLs. Idempotent.
   */
  | { readonly do: "set-access"; readonly path: string; readonly mode: number; readonly readers: readonly number[] }
  /** Lets everybody pass through a folder, and takes nothing away. Idempotent. */
  | { readonly do: "open-passage"; readonly path: string }
  /** Mode 0700. Idempotent: one that is there stays as it is. */
  | { readonly do: "make-folder"; readonly path: string }
  /** An empty one. "conflict" where it is not empty. Idempotent. */
  | { readonly do: "remove-folder"; readonly path: string }
  /**
   * A small file, whole or not at all, mode 0600 if not said, in the place of what was there; with `ifNone` what is
   * there stays. Durable. Idempotent.
   */
  | {
      readonly do: "write-file";
      readonly path: string;
      readonly text: string;
      readonly mode?: number;
      readonly ifNone?: boolean;
    }
  /**
   * An empty file in a folder of somebody else's; "conflict" where that folder takes none from us. Off: removed, or out
   * of our reach. Idempotent.
   */
  | { readonly do: "mark-use"; readonly path: string; readonly on: boolean }
  /**
   * Absent is fine. `ofLink`: in a folder of somebody else's; where he has put a link there, what it points at is left
   * alone, and so is what is out of our reach. Idempotent.
   */
  | {
      readonly do: "set-owner";
      readonly path: string;
      readonly uid: number;
      readonly gid: number;
      readonly ofLink?: true;
    }
  | { readonly do: "sync"; readonly path: string } // a file and its name are on the disk; idempotent
  /** Durable, idempotent: absent is fine. Of a download all that is kept goes. */
  | { readonly do: "unlink"; readonly path: string }
  /** A copy of a small file (NVRAM), through a temporary name, fsynced. Idempotent. */
  | { readonly do: "copy-file"; readonly from: string; readonly to: string; readonly mode: number }
  /**
   * A copy of what an emulated TPM keeps, mode 0400, fsynced; also while its guest runs. One that is there already
   * stays. Never follows a link. Idempotent.
   */
  | { readonly do: "save-tpm"; readonly from: string; readonly to: string }
  /** What this domain's TPM has kept from now on. "conflict" where it runs; it need not be defined yet. Idempotent. */
  | { readonly do: "place-tpm"; readonly domain: string; readonly from: string; readonly to: string }
  /** What libvirt keeps of the TPM of a domain (by UUID) that it no longer has; "conflict" where it has. Idempotent. */
  | { readonly do: "remove-tpm"; readonly domain: string }
  /**
   * qemu-img convert of a whole chain into a new self-standing file, through `to`.part and a rename; fsynced. Reports
   * progress. Idempotent.
   */
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
   * virt-sysprep(1) of the system on these qcow2 files, which nobody has open, with no network: logs, histories, host
   * keys, logins, the machine-id and the like go. "host" where it finds no system, or cannot run. It may be cut at any
   * instant: what the files hold then is neither.
   */
  | { readonly do: "sysprep"; readonly disks: readonly string[]; readonly mayStop: true }
  /**
   * Fetches a file by HTTP(S) into `to`, going on with what is there of it where the server still has the same one: a
   * strong ETag and the size agree. Never to another scheme. Waits as long as something comes. "host" where it is not
   * there, is cut off again and again, or would not fit `copies` times; "timeout". A part that can be gone on with
   * stays then, for 24 hours under a hidden name (`hiddenFiles`). Reports progress. Idempotent.
   */
  | {
      readonly do: "download";
      readonly url: string;
      readonly to: string;
      readonly copies: number;
      readonly mayStop: true;
    }
  /**
   * What `layers` hold, each on the one before it, oldest first, as one qcow2 file on `backing` (a name that may be
   * relative to `to`, so that both can move together). Only the layers' own clusters are read and written. Through
   * `to`.part and a rename; fsynced. Idempotent.
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
  /**
   * Gives a folder its name, durably. Idempotent: done where `from` has gone and `to` is there. "conflict" where both
   * are.
   */
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
  /**
   * Gives libvirt a secret whose value is what `file` holds now, a newline at its end left out. The value is in no
   * argument, and nowhere else. Idempotent.
   */
  | { readonly do: "define-secret"; readonly secret: string; readonly description: string; readonly file: string }
  | { readonly do: "undefine-secret"; readonly secret: string } // idempotent
  | {
      readonly do: "reserve-address";
      readonly network: string;
      readonly mac: string;
      readonly ip: string;
      readonly name: string;
    } // idempotent
  /**
   * The ports of this host that lead into a running guest whose network QEMU serves itself: these, and no others.
   * Nothing to do where it is off, or has no such network. "conflict" where somebody else has a port. Idempotent.
   */
  | { readonly do: "set-forwards"; readonly domain: string; readonly forwards: readonly Forward[] }
  // Idempotent
  | { readonly do: "release-address"; readonly network: string; readonly mac: string; readonly ip: string }
  /**
   * These lines in the place of all that end in `mark`, in `file` or (null) in the user's crontab; all others stay byte
   * for byte. Idempotent.
   */
  | {
      readonly do: "set-crontab";
      readonly file: string | null;
      readonly mark: string;
      readonly lines: readonly string[];
    }
  /**
   * Runs a program of the user's, in no shell. "failed" with its last words where it does not exit 0; "timeout", and
   * then all that it started is ended.
   */
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
    }
  /** A copy of a seed of ours with another instance-id (36 characters), so that cloud-init runs again. Idempotent. */
  | { readonly do: "renew-seed"; readonly from: string; readonly to: string; readonly instanceId: string };

export interface PerformOptions {
  /** Descriptors of locks that a child which changes disks inherits (STACK.md, "Traps"). */
  readonly lockFds?: readonly number[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number) => void;
  /** Of what comes from elsewhere; null: nobody says how much it is. */
  readonly onBytes?: (doneBytes: number, totalBytes: number | null) => void;
  /** How long a running guest stood still while its memory was saved, in ms; not called where nothing told. */
  readonly onStall?: (ms: number) => void;
  /** Sums of a copy that are taken while it is written: of "convert" and "convert-delta". */
  readonly sums?: CopySums;
}

/** What is told of a copy that is on the disk: SHA-256 of all its blocks. A host may tell nothing. */
export interface CopySums {
  readonly blockBytes: number;
  readonly taken: (path: string, sums: readonly string[]) => void;
}

/** Removes these files. Idempotent. */
export function unlinkAll(paths: readonly string[]): Action[] {
  return paths.map((path) => ({ do: "unlink", path }));
}
