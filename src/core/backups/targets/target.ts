/**
 * What a place that holds backups can do, whatever it is. Backups are spoken of by their ids, and their files by the
 * names of the format (parts.ts, and the manifest): where these lie is known to the implementation alone. A change is
 * answered as actions, so that the plan shows it and the journal's steps perform it; what only looks is asked at once.
 * Open one with `openTarget`.
 */
import type { Action } from "../../model/action.ts";
import type { BlockSums, BlockSumsOptions, ImageFile } from "../../model/host.ts";
import type { HeldLocks } from "../../ports.ts";

export interface BackupTarget {
  /** What people type, records and journal entries hold, and locks are called by. */
  readonly name: string;
  /** For people who are told that it is not there. */
  readonly absenceHint: string;
  /** What the marker is called, for messages. */
  readonly markerName: string;
  /**
   * The text of its marker; null where it has none. Throws "host" where there is no such place. `isKnown`: it has held
   * backups of this store.
   */
  readMarker(isKnown: boolean): Promise<string | null>;
  /** The same for each name of one target, as long as the host is up; null where it has no marker. */
  identity(): Promise<string | null>;
  /** Where it has none: another store may have marked it meanwhile, and its marker stays. Idempotent. */
  writeMarker(text: string): Action[];
  /**
   * Keeps other stores out of it, which the store's own locks do not. Null where that cannot be: it has no marker yet,
   * or is not there, or (a note says so) carries no locks. "conflict" where another store works in it for longer than
   * `timeoutMs`.
   */
  lock(timeoutMs: number): Promise<HeldLocks | null>;
  /** Throws "host" where less is free, and a reserve (`reserveBytes`) besides. `what`: for whom, for the message. */
  requireSpace(bytes: number, what: string, reserveBytes?: number): Promise<void>;
  /** Throws "host" where nothing may be made or removed in it, or in these backups (ids) of it. */
  requireWritable(backups?: readonly string[]): Promise<void>;

  /** The ids of all backups, void and damaged ones too, in no order. */
  backupIds(): Promise<string[]>;
  /** Of that id, whether it is there or not. */
  backup(id: string): StoredBackup;
  /** The file that an image's path (`image`) means, as a record remembers it. */
  fileAt(path: string): BackupFile;
  /** What a disk's header says of the file that it stands on: `file` of the backup `parent`. */
  backingName(parent: string, file: string): string;

  /**
   * Names the place where `store` (its id) takes the backup `id`, until it is whole: the journal remembers that name.
   */
  unfinishedName(id: string, store: string): string;
  /** All that this store has begun, by those names, and no other's. */
  unfinishedOf(store: string): Promise<string[]>;
  /** Of that name, whether it is there or not. */
  unfinished(name: string): UnfinishedBackup;

  /**
   * Null where a disk's file cannot be brought into the one that it stands on: there nothing goes on which another
   * stands.
   */
  readonly merging: Merging | null;
}

/** What can be done with the files of a backup, whole or not. */
export interface BackupFiles {
  /** For people; of an unfinished one for the journal too. */
  readonly name: string;
  /** What a file of it is called, for messages. */
  nameOf(file: string): string;
  /** The names of all its files. */
  list(): Promise<string[]>;
  /** Null where there is no such file. */
  look(file: string): Promise<FileLook | null>;
  /** Of a text; null where there is none that can be read. */
  readText(file: string): Promise<string | null>;
  /** A disk's file as qemu-img and QEMU open it. `secret`: libvirt's, where it is encrypted. */
  image(file: string, secret?: string | null): ImageFile;
  /** As `HostPort.blockSums`. */
  blockSums(file: string, blockBytes: number, options?: BlockSumsOptions): Promise<BlockSums>;
  /** Whole or not at all, in the place of what was there. Durable. Idempotent. */
  writeText(file: string, text: string): Action[];
}

/** A backup that has its name: all of it is on the disk, until it is made void. */
export interface StoredBackup extends BackupFiles {
  readonly id: string;
  isThere(): Promise<boolean>;
  /** A copy of a small file (UEFI variables, a seed), at a path of this machine. Idempotent. */
  copyOut(file: string, to: string, mode: number): Action[];
  /** A copy of what an emulated TPM kept, at a path of this machine, mode 0400; no link is followed. Idempotent. */
  copyTpmOut(file: string, to: string): Action[];
  /** Idempotent. */
  removeFile(file: string): Action[];
  /** The manifest first: what is left of one that is half removed must not look like a backup. Idempotent. */
  remove(): Action[];
}

/** A backup that is being taken: none yet. */
export interface UnfinishedBackup extends BackupFiles {
  /** `passable`: a guest that QEMU runs as another user must be able to boot from it once it is whole. Idempotent. */
  begin(how: { readonly passable: boolean }): Action[];
  /**
   * Takes the copy of a disk in. The sums that are told of it while it is written name it by its image's path.
   * Idempotent.
   */
  takeDisk(file: string, content: DiskContent, how: CopyMeans): Action[];
  /** Takes the copy of a small file of this machine in. Idempotent. */
  takeFile(file: string, from: string): Action[];
  /** Makes it final: it is the backup `id` afterwards, all at once and durably. Idempotent. */
  finish(id: string): Action[];
  /** Removes what was taken in. Idempotent. */
  discard(): Action[];
}

/**
 * How what stands on a backup takes over its data. `below` and `above` are ids; what is still there tells how far it
 * has come.
 */
export interface Merging {
  /**
   * Brings what `file` of the one above holds into that of the one below, which from then on is no longer what it was;
   * the one above masks that. Repeatable.
   */
  merge(below: string, above: string, file: string, secret: string | null): Action[];
  /** The merged file takes the place of the one above. */
  putInPlace(below: string, above: string, file: string): Action[];
  /** The prepared manifest (NEXT_MANIFEST) of the one above takes the place of its manifest. */
  putManifestInPlace(above: string): Action[];
}

/**
 * What a disk's copy is made of: all that an image reads as, or what these layers (oldest first) hold, on the same file
 * of the backup `parent`.
 */
export type DiskContent =
  | { readonly image: ImageFile }
  | { readonly layers: readonly ImageFile[]; readonly parent: string; readonly sizeBytes: number };

export interface CopyMeans {
  readonly compress: boolean;
  /** libvirt's, which the copy is encrypted with; null: it is not. */
  readonly secret: string | null;
}

export interface BackupFile {
  readonly backup: StoredBackup;
  readonly file: string;
}

export interface FileLook {
  readonly sizeBytes: number;
  readonly isRegularFile: boolean;
  readonly isLink: boolean;
  readonly uid: number;
  readonly gid: number;
}
