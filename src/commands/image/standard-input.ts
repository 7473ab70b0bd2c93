/**
 * `--file -`: an image that comes through a pipe. It is kept in a file that has no name, so that nothing of it outlives
 * us.
 */
import { closeSync, openSync, rmSync, write } from "node:fs";
import { promisify } from "node:util";
import type { World } from "../../core/ports.ts";
import { descriptorPath, forgetDescriptor } from "../../descriptor-names.ts";
import { EstratoError } from "../../errors.ts";
import type { Streams } from "../../ui/streams.ts";

/** Left free for whatever else grows there. */
const RESERVE_BYTES = 128 * 1024 ** 2;
const LOOK_EVERY_BYTES = 64 * 1024 ** 2;
export const STANDARD_INPUT = "standard input";

/**
 * Reads standard input to its end into a nameless file beside the layers, and calls `work` with a path of it.
 * Throws "usage" where standard input is a terminal, "host" where there is no room for it, "interrupted".
 */
export async function withStandardInput<T>(
  world: World,
  { stdin }: Pick<Streams, "stdin">,
  work: (path: string) => Promise<T>,
): Promise<T> {
  if (stdin.isTTY) {
    throw new EstratoError("usage", "--file -: standard input is a terminal", {
      hint: "Pipe an image into it, or name a file.",
    });
  }
  const name = `${world.store.paths.layersFolder}/${world.ids.next("op")}.part`;
  const fd = openSync(name, "wx+", 0o600);
  const path = descriptorPath(fd, STANDARD_INPUT);
  try {
    rmSync(name);
    await readAll(world, stdin, fd);
    return await work(path);
  } finally {
    forgetDescriptor(path);
    closeSync(fd);
  }
}

const writeTo = promisify(write);

async function readAll(world: World, stdin: Streams["stdin"], fd: number): Promise<void> {
  const stop = () => stdin.destroy();
  world.signal.addEventListener("abort", stop, { once: true });
  try {
    let sinceLook = LOOK_EVERY_BYTES;
    for await (const piece of stdin) {
      const bytes = Buffer.from(piece as string | Buffer);
      if (sinceLook >= LOOK_EVERY_BYTES) {
        await requireRoom(world);
        sinceLook = 0;
      }
      for (let at = 0; at < bytes.length; ) at += (await writeTo(fd, bytes, at)).bytesWritten;
      sinceLook += bytes.length;
    }
  } catch (error) {
    if (world.signal.aborted) throw interrupted();
    throw (error as NodeJS.ErrnoException).code === "ENOSPC" ? noRoom(world) : error;
  } finally {
    world.signal.removeEventListener("abort", stop);
  }
  if (world.signal.aborted) throw interrupted(); // what was read is a part only
}

function interrupted(): EstratoError {
  return new EstratoError("interrupted", "interrupted: nothing has changed");
}

async function requireRoom(world: World): Promise<void> {
  if ((await world.host.freeBytes(world.store.paths.layersFolder)) < RESERVE_BYTES) throw noRoom(world);
}

function noRoom(world: World): EstratoError {
  const what = `--file -: there is no room for it in ${world.store.paths.layersFolder}`;
  return new EstratoError("host", what, { hint: "Free some space." });
}
