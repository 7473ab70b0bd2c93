/** The log of operations: one line of JSON each, for people. Nothing is decided by it. */
import { closeSync, fstatSync, openSync, readSync, renameSync, statSync, writeSync } from "node:fs";
import type { OperationEvent } from "../core/model/journal.ts";
import { EstratoError } from "../errors.ts";
import { readStored } from "./durable-file.ts";
import { errnoOf, hostError } from "./host-error.ts";
import { lockFile } from "./locks.ts";

/** Above this the log is put aside, and what was put aside before is dropped. */
const ROTATED_ABOVE_BYTES = 10_000_000;

export interface Events {
  append(event: OperationEvent): Promise<void>;
  list(): Promise<OperationEvent[]>;
}

export interface EventsOptions {
  readonly file: string;
  readonly makeFolders: () => void;
  readonly rotatedAboveBytes?: number;
  readonly searchPath?: string | undefined;
}

/** The log in `file`; the part before it lies in FILE.1. */
export function events(options: EventsOptions): Events {
  const { file, makeFolders, rotatedAboveBytes = ROTATED_ABOVE_BYTES, searchPath } = options;
  const older = `${file}.1`;

  return {
    async append(event) {
      makeFolders();
      if (sizeOf(file) > rotatedAboveBytes) await rotate();
      appendLine(file, JSON.stringify(event));
    },

    async list() {
      return [...eventsIn(older), ...eventsIn(file)];
    },
  };

  /** Only one may rename, or the second would put the new and empty log in the place of the full one. */
  async function rotate(): Promise<void> {
    let lock: Awaited<ReturnType<typeof lockFile>>;
    try {
      lock = await lockFile(file, { timeoutMs: 0, what: file, searchPath });
    } catch (error) {
      if (error instanceof EstratoError && error.code === "conflict") return; // another is at it
      throw error;
    }
    try {
      // Someone may have rotated before us: then the lock is on the new one.
      if (sizeOf(file) > rotatedAboveBytes) renameSync(file, older);
    } catch (error) {
      throw hostError(file, error);
    } finally {
      lock.release();
    }
  }
}

/** O_APPEND and one write(2): lines of several processes do not mix. */
function appendLine(file: string, line: string): void {
  try {
    const fd = openSync(file, "a+", 0o600);
    try {
      const bytes = Buffer.from(`${endsInLine(fd) ? "" : "\n"}${line}\n`);
      if (writeSync(fd, bytes) !== bytes.length) throw Object.assign(new Error("short write"), { code: "ENOSPC" });
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw hostError(file, error);
  }
}

/** False where a full disk cut the last line: the next one must not be glued to it. */
function endsInLine(fd: number): boolean {
  const { size } = fstatSync(fd);
  const last = Buffer.alloc(1);
  return size === 0 || readSync(fd, last, 0, 1, size - 1) === 0 || last[0] === 0x0a;
}

function sizeOf(file: string): number {
  try {
    return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  } catch (error) {
    throw hostError(file, error);
  }
}

/** A line that a full disk cut short is left out. */
function eventsIn(file: string): OperationEvent[] {
  let text: string;
  try {
    text = readStored(file);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw hostError(file, error);
  }
  return text.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as OperationEvent];
    } catch {
      return [];
    }
  });
}
