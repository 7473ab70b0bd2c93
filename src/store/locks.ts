/**
 * Kernel locks (flock(2)) on lock files. The lock belongs to a descriptor that we opened: the kernel drops it when the
 * last process that has that descriptor ends, however it ends. So nothing is written into the file that could be stale,
 * and a child that inherits the descriptor keeps the lock beyond our death.
 *
 * Lock files are never unlinked: who unlinks one that another waits on hands out the same lock twice, once by the old
 * file and once by the new one of that name. An empty file per name is all it costs. Where somebody else removes one,
 * who has waited for it takes the new one, who holds it begins nothing any more (`requireNamed`), and what is under way
 * is seen by the journal (owner.ts).
 */
// Node has no flock(2), so flock(1) takes the lock on a descriptor it inherits. src/host/process.ts starts all other
// children; the store may not know it, and this one child changes nothing but the lock.
import { spawn } from "node:child_process";
import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { EstratoError, NoAnswer } from "../errors.ts";
import { knowChild, signalChild } from "../living-children.ts";
import { hostError } from "./host-error.ts";

/** flock(1)'s own codes are 1 and 64 to 78; sysexits does not use 99. */
const BUSY = 99;
/** EX_OSERR (ENOLCK) and EX_DATAERR (any other error of flock(2)): the file system carries no such locks. */
const NO_LOCKS = 71;
const NOT_LOCKABLE = 65;
const WAIT = "Wait until it is done, or give --lock-timeout to wait for it.";
const FD_IN_CHILD = 3;
/** Beyond its own time limit: a file system that does not answer keeps it waiting for ever. */
const SILENT_MS = 30_000;

export interface FileLock {
  readonly fd: number;
  /** Throws "conflict" where the file is not the one of its name any more: another may hold a lock of that name. */
  requireNamed(): void;
  /** Closes our descriptor. Unlocking it (flock -u) would take the lock from the children that inherited it, too. */
  release(): void;
}

export interface LockRequest {
  /** 0: without waiting. */
  readonly timeoutMs: number;
  /** What the message names. */
  readonly what: string;
  /** Ends the waiting with "interrupted". */
  readonly signal?: AbortSignal | undefined;
  /** Where flock(1) is looked for, as PATH says it; where the system looks by itself if it is left out. */
  readonly searchPath?: string | undefined;
}

/** Locks a file, which is made where it is not there. Throws "conflict" where another has it when the time is over. */
export async function lockFile(path: string, request: LockRequest): Promise<FileLock> {
  for (let tries = 0; ; tries += 1) {
    const { code, lock } = await lockDescriptor(openLockFile(path), request, busy(request.what));
    if (code === 0 && isNamed(lock.fd, path)) {
      const requireNamed = () => {
        if (!isNamed(lock.fd, path)) throw removed(path, request.what);
      };
      return { ...lock, requireNamed };
    }
    lock.release();
    if (code !== 0) throw new EstratoError("host", `${path}: flock ended with ${code ?? "a signal"}`);
    if (tries >= MOST_TRIES) throw removed(path, request.what);
  }
}

/** Of a lock file that is removed while we wait for it, again and again. */
const MOST_TRIES = 20;

/** Is the file that is open there still the one of this name? */
function isNamed(fd: number, path: string): boolean {
  const named = statSync(path, { throwIfNoEntry: false });
  const { dev, ino } = fstatSync(fd);
  return named !== undefined && named.dev === dev && named.ino === ino;
}

function removed(path: string, what: string): EstratoError {
  return new EstratoError("conflict", `${what}: its lock file was removed while it was held (${path})`, {
    hint: "Remove no files there: they are what keeps two commands from working on one thing. Run the command again.",
  });
}

/**
 * Locks a file of a folder that several stores use, whole hosts apart where its file system carries locks (NFS does
 * since version 4; to version 3 the server's lock daemon). Null where it carries none, and where there is no such file
 * or it is another user's. Throws as lockFile.
 */
export async function lockSharedFile(
  path: string,
  request: LockRequest,
): Promise<Omit<FileLock, "requireNamed"> | null> {
  const fd = openSharedFile(path);
  if (fd === null) return null;
  const taken = new EstratoError("conflict", `${request.what}: another store is at work in it`, { hint: WAIT });
  return sharedLock(path, fd, request, taken);
}

async function sharedLock(path: string, fd: number, request: LockRequest, taken: EstratoError) {
  const { code, lock } = await lockDescriptor(fd, request, taken);
  if (code === 0) return lock;
  lock.release();
  if (code === NO_LOCKS || code === NOT_LOCKABLE) return null;
  throw new EstratoError("host", `${path}: flock ended with ${code ?? "a signal"}`);
}

/**
 * Locks a folder itself, which nobody removes as a lock file is removed. Null where its file system carries no such
 * locks. Throws as lockFile.
 */
export async function lockFolder(path: string, request: LockRequest): Promise<Omit<FileLock, "requireNamed"> | null> {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw hostError(path, error);
  }
  return sharedLock(path, fd, request, busy(request.what));
}

/** The lock, and how flock(1) ended; the descriptor is closed where this throws. */
async function lockDescriptor(
  fd: number,
  request: LockRequest,
  taken: EstratoError,
): Promise<{ readonly code: number | null; readonly lock: Omit<FileLock, "requireNamed"> }> {
  let open = true;
  const release = (): void => {
    if (open) closeSync(fd);
    open = false;
  };
  try {
    const code = await runFlock(fd, request);
    if (request.signal?.aborted) throw new EstratoError("interrupted", `${request.what}: gave up waiting for its lock`);
    if (code === BUSY) throw taken;
    return { code, lock: { fd, release } };
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * Takes the locks of all `names` in sorted order, so that no two who want the same ones wait for each other.
 * `timeoutMs` is for all together. Throws "conflict", and then holds none. Names may hold any character.
 */
export async function lockNames(
  folder: string,
  names: readonly string[],
  { timeoutMs, ...how }: Omit<LockRequest, "what">,
): Promise<HeldFileLocks> {
  const sorted = [...new Set(names)].sort();
  const deadlineMs = performance.now() + timeoutMs;
  const held: FileLock[] = [];
  const release = async (): Promise<void> => {
    for (const lock of held.splice(0).reverse()) lock.release();
  };
  try {
    for (const name of sorted) {
      const leftMs = timeoutMs === 0 ? 0 : Math.max(0, deadlineMs - performance.now());
      held.push(await lockFile(join(folder, lockFileName(name)), { ...how, timeoutMs: leftMs, what: name }));
    }
  } catch (error) {
    await release();
    throw error;
  }
  const requireNamed = () => {
    for (const lock of held) lock.requireNamed();
  };
  return { names: sorted, fds: held.map((lock) => lock.fd), requireNamed, release };
}

/** What core calls HeldLocks. */
export interface HeldLocksOfFiles {
  readonly names: readonly string[];
  readonly fds: readonly number[];
  release(): Promise<void>;
}

/** Of files whose names are ours alone. */
export interface HeldFileLocks extends HeldLocksOfFiles {
  /** Throws "conflict" where one of the files is not the one of its name any more. */
  requireNamed(): void;
}

/**
 * A backup target is a path: what cannot stand in a file name is percent-encoded, which keeps different names
 * different.
 */
function lockFileName(name: string): string {
  const encoded = encodeURIComponent(name);
  if (name === "" || encoded.length > 240) {
    throw new EstratoError("usage", `lock ${JSON.stringify(name)}: a name of 1 to 240 characters is needed`);
  }
  return `${encoded}.lock`;
}

/** Writable although nothing is written: NFS takes an exclusive lock on nothing less. */
function openLockFile(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    throw hostError(path, error);
  }
}

/**
 * Null where it is not there, or not ours to open. A file system that is mounted read-only is locked as well: others
 * may write to it.
 */
function openSharedFile(path: string): number | null {
  for (const access of [constants.O_RDWR, constants.O_RDONLY]) {
    try {
      return openSync(path, access | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return null;
      if (!["EACCES", "EPERM", "EROFS"].includes(code)) throw hostError(path, error);
    }
  }
  return null;
}

/** The exit code; null where a signal ended it. */
function runFlock(fd: number, { timeoutMs, what, signal, searchPath }: LockRequest): Promise<number | null> {
  const patience = timeoutMs >= 1 ? ["--timeout", (timeoutMs / 1000).toFixed(3)] : ["--nonblock"];
  return new Promise((resolve, reject) => {
    const child = spawn("flock", [...patience, "--conflict-exit-code", String(BUSY), String(FD_IN_CHILD)], {
      stdio: ["ignore", "ignore", "ignore", fd],
      env: { ...(searchPath === undefined ? {} : { PATH: searchPath }), LC_ALL: "C.UTF-8" },
      detached: true, // a Ctrl-C is for us to answer: it must not fail the transaction that puts things right
    });
    knowChild(child, true);
    const abort = (): void => {
      child.kill();
    };
    const silence = setTimeout(() => {
      signalChild(child, "SIGKILL");
      child.unref();
      reject(new NoAnswer(`${what}: its lock: the file system does not answer`));
    }, timeoutMs + SILENT_MS);
    const settled = (): void => {
      clearTimeout(silence);
      signal?.removeEventListener("abort", abort);
    };
    signal?.addEventListener("abort", abort);
    child.once("error", (cause) => {
      settled();
      reject(
        new EstratoError("host", `flock: ${cause.message}`, { cause, hint: "Install util-linux, which has flock(1)." }),
      );
    });
    child.once("exit", (code) => {
      settled();
      resolve(code);
    });
  });
}

export function busy(what: string): EstratoError {
  return new EstratoError("conflict", `${what}: another operation is in progress`, {
    hint: WAIT,
  });
}
