/** What core asks of the reader of guests' file systems: libguestfs, in a machine of its own. */
import type { FileSystem, GuestDisk, GuestEntry, GuestPart, GuestSystem, Unpacked } from "../model/guest-files.ts";
import type { Command } from "../model/host.ts";

/** Everything may throw EstratoError. */
export interface GuestFilesPort {
  /**
   * Starts the reader on these disks, which it cannot write. "host" where a program, a kernel that may be read or the
   * right passphrase is missing; "integrity" where a file is no image; "interrupted" when `signal` aborts, then and
   * later.
   */
  openGuest(disks: readonly GuestDisk[], signal: AbortSignal): Promise<OpenGuest>;
  /** The commands that it would start, for people; nothing is looked at. */
  guestCommands(disks: readonly GuestDisk[]): Promise<Command[]>;
}

/** Paths are absolute, of the guest. Nothing is read before something is mounted. */
export interface OpenGuest {
  /** All of the disks, in their order; those in LVM too. */
  fileSystems(): Promise<FileSystem[]>;
  systems(): Promise<GuestSystem[]>;
  /** A journal is replayed, in memory. Returns why it cannot be mounted; null where it is. */
  mount(device: string, at: string): Promise<string | null>;
  /** Null where there is no such thing. */
  look(path: string): Promise<GuestEntry | null>;
  /** The path without links; null where it leads nowhere. */
  realPath(path: string): Promise<string | null>;
  /** What is in a folder, by name. */
  list(folder: string): Promise<GuestEntry[]>;
  /**
   * Takes them out into a folder of this host (made where only its last name is missing), whole or not at all: as the
   * user's own files, with neither owners nor set-user-ID; links that lead out of it, and what is neither file, folder
   * nor link, are left out. Nothing is replaced ("conflict"). `onBytes`: how many have come so far.
   */
  unpack(parts: readonly GuestPart[], folder: string, onBytes: (bytes: number) => void): Promise<Unpacked>;
  /** The same as a tar archive, with owners, and all links. `told`: what became of it, at its end. */
  pack(parts: readonly GuestPart[], told: (unpacked: Unpacked) => void): AsyncIterable<Uint8Array>;
  /** Ends it with all that it started; nothing of it stays. */
  close(): Promise<void>;
}
