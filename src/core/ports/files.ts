/** What core asks of files and folders, whatever they hold. */
import type { BlockSums, BlockSumsOptions, HiddenFile, HostUser } from "../model/host.ts";

/** Files and folders. Everything may throw EstratoError. */
export interface FilePort {
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
    /** The same for each name of one file or device, as long as the host is up: compared, never stored. */
    identity: string;
    isOurs: boolean; // we may change its mode
  } | null>;
  /** Its path without links; null where it is not there. */
  realPath(path: string): Promise<string | null>;
  /** Names in a folder (no dot files); [] where it is not there. */
  listFolder(path: string): Promise<string[]>;
  /** Those that it leaves out, under their paths: a file has such a name while it is written. */
  hiddenFiles(folder: string): Promise<HiddenFile[]>;
  /** A small regular file from outside and who owns it; null where there is none that we may read, or it is larger. */
  readText(path: string, maxBytes: number): Promise<{ readonly text: string; readonly uid: number } | null>;
  /**
   * Opens a file from outside and keeps it open, so that what was checked is what will be read, whatever becomes of its
   * name. "not_found", "host". `calledAs`: what people know it by, where that is not its path.
   */
  holdFile(path: string, calledAs?: string): Promise<HeldFile>;
  /**
   * SHA-256 of each block of a file. "not_found"; "interrupted".
   */
  blockSums(path: string, blockBytes: number, options?: BlockSumsOptions): Promise<BlockSums>;
  /**
   * The folders above `path` (absolute) through which the user may not pass, outermost first. Null for `user` means
   * everybody. "host" where ACLs cannot be read.
   */
  blockedFolders(path: string, user: HostUser | null): Promise<string[]>;
  freeBytes(path: string): Promise<number>;
  /**
   * Throws "host" where this process may not make, replace or remove files in a folder: it is another's, on a file
   * system that is read-only, or not there.
   */
  requireWritable(folder: string): Promise<void>;
  /** Throws "host" where a file cannot be read, "usage" where it holds no passphrase. */
  checkPassphrase(path: string): Promise<void>;
}

/** A file that stays the same file until close(). */
export interface HeldFile {
  /** Names this very file, for this process and its children. */
  readonly path: string;
  /** Differs after every change of its content; cannot be set back by whoever owns the file. */
  stamp(): Promise<string>;
  close(): Promise<void>;
}
