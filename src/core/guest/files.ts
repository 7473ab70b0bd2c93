/** Files in a guest, piece by piece. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { AgentSilent, type Guest, requireGoingOn } from "./guest.ts";

/**
 * No agent understands a command of more than some 192,000 characters, and base64 makes four of three bytes. Measured
 * on QEMU 7.2 and 10.
 */
export const WRITTEN_BYTES = 96_000;
/** libvirt hands on answers of up to 4 MiB, which is 3 MiB in base64; larger pieces than this are no faster. */
export const READ_BYTES = 1024 ** 2;

const HANDLE = v.pipe(v.number(), v.integer());
const DONE = v.unknown();
const SOUGHT = v.object({ position: v.number() });
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** What the agent may be asked again, since it is told first where that was. */
const ATTEMPTS = 3;

/** A file of the guest's that its agent has open. Its handle goes with the agent, where we are killed before close(). */
export interface GuestFile {
  /** The next piece, at most `most` bytes of READ_BYTES; empty at the end, which more may be written behind. */
  read(most?: number): Promise<Buffer>;
  write(bytes: Buffer): Promise<void>;
  /** What was written is handed to the guest's system. */
  flush(): Promise<void>;
  /** Throws nothing: where the agent is gone, so is its handle. */
  close(): Promise<void>;
}

/** `mode` as fopen(3). A pipe would be waited for by the agent: look before what it is. */
export async function openGuestFile(guest: Guest, path: string, mode: "r" | "r+"): Promise<GuestFile> {
  const handle = await guest.ask("guest-file-open", { path, mode }, HANDLE);
  let at = 0;

  /** Asks again after a silence, from the place where it was. */
  async function again<T>(ask: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        if (attempt > 1) await guest.ask("guest-file-seek", { handle, offset: at, whence: 0 }, SOUGHT);
        return await ask();
      } catch (error) {
        if (attempt === ATTEMPTS || !(error instanceof AgentSilent)) throw error;
      }
    }
  }

  return {
    async read(most = READ_BYTES) {
      const count = Math.min(most, READ_BYTES);
      const shape = v.object({
        count: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(count)),
        "buf-b64": v.pipe(v.string(), v.regex(BASE64)),
      });
      const { count: got, "buf-b64": text } = await again(() => guest.ask("guest-file-read", { handle, count }, shape));
      const bytes = Buffer.from(text, "base64");
      if (bytes.length !== got) throw nonsense(guest);
      at += got;
      return bytes;
    },
    async write(bytes) {
      for (let done = 0; done < bytes.length; ) {
        const piece = bytes.subarray(done, done + WRITTEN_BYTES);
        const shape = v.object({ count: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(piece.length)) });
        const content = { handle, "buf-b64": piece.toString("base64") };
        const { count } = await again(() => guest.ask("guest-file-write", content, shape));
        done += count;
        at += count;
      }
    },
    async flush() {
      await guest.ask("guest-file-flush", { handle }, DONE);
    },
    async close() {
      await guest.ask("guest-file-close", { handle }, DONE).catch(() => {});
    },
  };
}

function nonsense({ name }: Guest): EstratoError {
  return new EstratoError("failed", `instance ${name}: its guest agent answers guest-file-read with nonsense`);
}

/** Writes all of `source` into a file that is there, and tells each piece. Returns when the guest's system has it. */
export async function writeGuestFile(
  guest: Guest,
  path: string,
  source: AsyncIterable<Buffer>,
  onPiece: (bytes: Buffer) => void = () => {},
): Promise<void> {
  const file = await openGuestFile(guest, path, "r+");
  try {
    for await (const piece of piecesOf(source)) {
      requireGoingOn(guest);
      await file.write(piece);
      onPiece(piece);
    }
    await file.flush();
  } finally {
    await file.close();
  }
}

/** As large as they may be: a pipe brings them as they come. */
async function* piecesOf(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let kept: Buffer[] = [];
  let length = 0;
  for await (const bytes of source) {
    kept.push(bytes);
    length += bytes.length;
    if (length < WRITTEN_BYTES) continue;
    const all = Buffer.concat(kept);
    const whole = length - (length % WRITTEN_BYTES);
    for (let at = 0; at < whole; at += WRITTEN_BYTES) yield all.subarray(at, at + WRITTEN_BYTES);
    kept = [all.subarray(whole)];
    length -= whole;
  }
  if (length > 0) yield Buffer.concat(kept);
}
