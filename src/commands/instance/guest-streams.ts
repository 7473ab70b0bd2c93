/** Standard input and a file as what goes into a guest. */
import { addAbortSignal } from "node:stream";
import { EstratoError } from "../../errors.ts";
import { openOutside } from "../../outside-file.ts";
import type { Streams } from "../../ui/streams.ts";

/** Of what is read at once, and written into a guest in one piece. */
const PIECE_BYTES = 96_000;

/** All that comes, to its end. Throws "interrupted". */
export async function* standardInput({ stdin }: Pick<Streams, "stdin">, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    for await (const piece of addAbortSignal(signal, stdin)) yield Buffer.from(piece as string | Buffer);
  } catch (cause) {
    if (!signal.aborted) throw cause;
    throw new EstratoError("interrupted", "interrupted while standard input was read", { cause });
  }
}

/** A regular file of this host's, until close(). Throws what open(2) says, "host" where it is something else. */
export async function fileSource(path: string) {
  const file = await openOutside(path);
  const { size: sizeBytes } = await file.stat();
  const source: AsyncIterable<Buffer> = file.createReadStream({ highWaterMark: PIECE_BYTES, autoClose: false });
  return { source, sizeBytes, close: () => file.close() };
}
