/** Files of the host: facts, durable copies, removal. */
import type { BigIntStats } from "node:fs";
import {
  access,
  chmod,
  constants,
  link,
  lstat,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  stat,
  statfs,
  unlink,
} from "node:fs/promises";
import { dirname } from "node:path";
import { EstratoError } from "../errors.ts";
import { openOutside } from "../outside-file.ts";
import { answerOf } from "../system-answer.ts";
import { temporaryName } from "./temporary-files.ts";

export interface FileInfo {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number; // permission bits only
  readonly sizeBytes: number;
  readonly allocatedBytes: number;
  readonly isBlockDevice: boolean;
  readonly isRegularFile: boolean;
  readonly isFolder: boolean;
  readonly isLink: boolean; // the name itself; all else is said of what it leads to
  readonly identity: string; // the same for each name of one file, as long as the host is up
  readonly isOurs: boolean; // this process may change its mode
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException).code ?? "");
}

/**
 * What a file is, whatever it is called: device and inode, and of a device node the device that it leads to. Not to be
 * stored: numbers of devices change when the host starts.
 */
export function identityOf(file: BigIntStats): string {
  return file.isBlockDevice() ? `device ${file.rdev}` : `${file.dev}:${file.ino}`;
}

/** In bytes. stat(2) tells none of a block device; the kernel does, in sectors of 512 bytes. */
async function sizeOf(found: BigIntStats): Promise<number> {
  if (!found.isBlockDevice()) return Number(found.size);
  const { rdev } = found; // as makedev(3) puts it together
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xfff00n);
  return Number(await readFile(`/sys/dev/block/${major}:${minor}/size`, "utf8")) * 512;
}

/** Links are followed. Null where there is nothing. */
export async function fileInfo(path: string): Promise<FileInfo | null> {
  try {
    // A 64-bit inode does not fit a number, and two files must never look like one.
    const itself = await lstat(path, { bigint: true });
    const found = itself.isSymbolicLink() ? await stat(path, { bigint: true }) : itself;
    return {
      uid: Number(found.uid),
      gid: Number(found.gid),
      mode: Number(found.mode) & 0o7777,
      sizeBytes: await sizeOf(found),
      allocatedBytes: Number(found.blocks) * 512,
      isBlockDevice: found.isBlockDevice(),
      isRegularFile: found.isFile(),
      isFolder: found.isDirectory(),
      isLink: itself.isSymbolicLink(),
      identity: identityOf(found),
      isOurs: isOwner(Number(found.uid)),
    };
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return null;
    throw error;
  }
}

function isOwner(uid: number): boolean {
  const own = process.geteuid?.();
  return own === 0 || own === uid;
}

/** The path without links; null where there is nothing. */
export async function realPath(path: string): Promise<string | null> {
  try {
    return await realpath(path);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return null;
    throw error;
  }
}

/** Names in a folder, sorted, without dot files; [] where it is not there. */
export async function listFolder(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).filter((name) => !name.startsWith(".")).sort();
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  }
}

/**
 * Bytes that this process may still write in the file system of `path`, or of the nearest folder above it that exists.
 */
export async function freeBytes(path: string): Promise<number> {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize } = await statfs(at);
      return bavail * bsize;
    } catch (error) {
      if (!hasCode(error, "ENOENT", "ENOTDIR") || at === dirname(at)) throw error;
    }
  }
}

/**
 * Throws "host" where this process may not make files in a folder. Root is told of a file system that is read-only
 * alike (access(2)).
 */
export async function requireWritable(folder: string): Promise<void> {
  try {
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw answerOf(error) ?? error;
  }
}

/** On the disk when it returns: the file's content, or a folder's entries. */
export async function syncPath(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The file's content and its name. */
export async function syncNamed(path: string): Promise<void> {
  await syncPath(path);
  await syncPath(dirname(path));
}

/** Makes an empty file of that mode, whatever the umask. Fails where the path exists. */
export async function createEmpty(path: string, mode: number): Promise<void> {
  const file = await open(path, "wx", mode);
  try {
    await file.chmod(mode);
  } finally {
    await file.close();
  }
}

/**
 * What the system answered while `part` was written, as an error of the file that it was to become: who writes into an
 * open file is told no name, and that of `part` is hidden. Returns it.
 */
export function namingFile(error: unknown, part: string, file: string): unknown {
  if (!(error instanceof Error) || !("syscall" in error) || error.syscall === "read") return error;
  const { path = part } = error as NodeJS.ErrnoException;
  return path === part ? Object.assign(error, { path: file, dest: undefined }) : error;
}

/** A durable copy through a temporary name: `to` is whole or not there. */
export async function copyFile(from: string, to: string, mode: number): Promise<void> {
  const part = temporaryName(to);
  const source = await openOutside(from);
  const target = await open(part, "wx", 0o600).catch(async (error) => {
    await source.close();
    throw namingFile(error, part, to);
  });
  try {
    for await (const piece of source.createReadStream()) await target.writeFile(piece as Buffer);
    await target.chmod(mode);
    await target.sync();
    await target.close();
    await rename(part, to);
  } catch (error) {
    await target.close().catch(() => undefined);
    await removeFile(part);
    throw namingFile(error, part, to);
  }
  await syncPath(dirname(to));
}

/**
 * Gives a file its name, durably. Without `replace` link(2) sees to it that nothing that came to be there meanwhile is
 * lost: "conflict" then. Where a file system knows no hard links, a look must do. With `replace` only a regular file
 * gives way: rename(2) would as readily put the new one in the place of a device or a link.
 */
export async function moveFile(from: string, to: string, replace: boolean): Promise<void> {
  if (replace) {
    await requireRegularOrNothing(to);
    await rename(from, to);
  } else await linkOnly(from, to);
  await syncPath(dirname(to));
}

async function requireRegularOrNothing(path: string): Promise<void> {
  try {
    if ((await lstat(path)).isFile()) return;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return;
    throw error;
  }
  throw new EstratoError("conflict", `${path}: it is no regular file, and is not replaced`);
}

async function linkOnly(from: string, to: string): Promise<void> {
  const taken = (cause?: unknown) => new EstratoError("conflict", `${to}: there is a file of that name`, { cause });
  try {
    await link(from, to);
    await unlink(from);
  } catch (error) {
    if (hasCode(error, "EEXIST")) throw taken(error);
    if (!hasCode(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK")) throw error;
    if ((await fileInfo(to)) !== null) throw taken(error);
    await rename(from, to);
  }
}

/** No error where it is not there. Never follows a link. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!hasCode(error, "ENOENT", "ENOTDIR")) throw error;
  }
}

/** The same, and it does not come back with a power cut: what still names it may then be forgotten. */
export async function removeDurably(path: string): Promise<void> {
  await removeFile(path);
  try {
    await syncPath(dirname(path));
  } catch (error) {
    if (!hasCode(error, "ENOENT", "ENOTDIR")) throw error;
  }
}

/** Sets the permission bits; nothing is done where they are right. `ifThere`: nor where there is nothing. */
export async function setMode(
  path: string,
  mode: number,
  { ifThere = false }: { readonly ifThere?: boolean } = {},
): Promise<void> {
  try {
    if (((await stat(path)).mode & 0o7777) !== mode) await chmod(path, mode);
  } catch (error) {
    if (!ifThere || !hasCode(error, "ENOENT", "ENOTDIR")) throw error;
  }
}

/** root may write any file: a mode without the owner's write bit is our word that none may (DESIGN.md, invariant 5). */
export async function assertNotFrozen(path: string): Promise<void> {
  const { mode } = await lstat(path);
  if ((mode & 0o200) === 0) throw new EstratoError("conflict", `${path}: the file is frozen (mode 0400)`);
}
