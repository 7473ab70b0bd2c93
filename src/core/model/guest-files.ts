/** What is read of the file systems that a guest keeps on its disks. */
import type { ImageFile } from "./host.ts";

/** A disk as the reader is given it, with all that it stands on. */
export interface GuestDisk {
  readonly device: string; // vda: what people call it
  readonly image: ImageFile;
  /** The file that holds the passphrase; null: it is plain, or a secret of libvirt's opens it. */
  readonly passphraseFile: string | null;
}

export type GuestKind = "file" | "folder" | "link" | "device" | "fifo" | "socket";

/** A name in a folder of the guest, and what it is. Links are not followed. */
export interface GuestEntry {
  /** What is not UTF-8 in it is written `\xff`. */
  readonly name: string;
  readonly kind: GuestKind;
  readonly mode: number; // the bits of chmod(2), set-user-ID and the like among them
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
}

/** `device`: vda1, or /dev/GROUP/VOLUME of LVM. `type`: ext4, swap, crypto_LUKS, unknown, … */
export interface FileSystem {
  readonly device: string;
  readonly type: string;
}

/** An operating system that was recognised, and where it mounts its file systems. */
export interface GuestSystem {
  readonly root: string; // its device
  readonly mounts: readonly { readonly device: string; readonly at: string }[];
}

/** A file or folder to take out, by its path without links, and what it is called outside; "": what is in it, alone. */
export interface GuestPart {
  readonly path: string;
  readonly name: string;
  readonly entry: GuestEntry;
}

/** What was taken out. */
export interface Unpacked {
  readonly files: number;
  readonly folders: number;
  readonly links: number;
  readonly bytes: number;
  /** What was not, and why: a sentence each, the first few of each kind. */
  readonly leftOut: readonly string[];
}
