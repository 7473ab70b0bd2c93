/** What guestfish writes into a named pipe, as a stream. */
import { closeSync, constants, openSync } from "node:fs";
import { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import type { Owed } from "../patience.ts";
import type { Answer } from "./fish.ts";

/**
 * All that `fill` has written into `pipe`, a FIFO that nobody else reads. Throws what it complains of, after what came.
 * We hold a writing end of our own until it has ended: there is no end before, and none is waited for in open(2).
 */
export async function* piped(pipe: string, fill: (owed: Owed) => Promise<Answer>, failed: (error: string) => Error) {
  const reading = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  const writing = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
  const socket = new Socket({ fd: reading, readable: true, writable: false });
  let bytes = 0;
  // Who reads it may take his time: guestfish gets on as long as nothing waits here.
  const progress = async () => (socket.readableLength > 0 ? performance.now() : bytes);
  const filled = fill({ as: "work", progress }).finally(() => closeSync(writing));
  filled.catch(() => {});
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      yield chunk;
    }
  } finally {
    socket.destroy();
  }
  const { error } = await filled;
  if (error !== null) throw failed(error);
}
