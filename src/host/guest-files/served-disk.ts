/** A disk with all that it stands on, read-only, at a socket that nobody else reaches: qemu-nbd(8). */
import { createConnection } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { GuestDisk } from "../../core/model/guest-files.ts";
import type { Command } from "../../core/model/host.ts";
import { EstratoError } from "../../errors.ts";
import type { ChildResult, RunOptions } from "../child.ts";
import { requireImages } from "../image-chain.ts";
import type { Processes } from "../process.ts";
import { failure } from "../process-failure.ts";
import { absolutePath, encryptedOptions, filesBelow, secretObject } from "../qemu-img.ts";
import { readPassphrase, readSecret, withSecretFds } from "../secrets.ts";
import type { Virsh } from "../virsh.ts";

const LOOK_MS = 20;
const GREETING_MS = 1000;
/** qemu-img looks at it, makes an overlay on it, and then QEMU opens it. */
const CLIENTS = 4;

export interface ServedDisk {
  stop(): Promise<void>;
}

/** `below`: how many files it stands on, which an encrypted one must be told. It dies with us (prctl(2), PDEATHSIG). */
export function nbdCommand({ image, passphraseFile }: GuestDisk, socket: string, below: number): Command {
  const isEncrypted = image.secret !== undefined || passphraseFile !== null;
  const plain = [`--format=${image.format}`, absolutePath(image.path)];
  const opened = isEncrypted ? [...secretObject(), "--image-opts", encryptedOptions(image.path, below, 0)] : plain;
  const server = ["--read-only", "--persistent", `--shared=${CLIENTS}`, `--socket=${socket}`];
  return { program: "setpriv", args: ["--pdeathsig", "TERM", "qemu-nbd", ...server, ...opened] };
}

/**
 * Serves it at `socket` until it is stopped. "host" where it is encrypted with something else, "integrity" where it is
 * not what its header says, "conflict" where somebody writes to it.
 */
export async function serveDisk(
  processes: Processes,
  virsh: Virsh,
  disk: GuestDisk,
  socket: string,
  signal: AbortSignal,
): Promise<ServedDisk> {
  const { image, passphraseFile } = disk;
  await requireImages(image);
  const secret = image.secret === undefined ? null : await readSecret(virsh, image.secret);
  const value = secret ?? (passphraseFile === null ? null : await readPassphrase(passphraseFile));
  const command = nbdCommand(disk, socket, value === null ? 0 : await filesBelow(processes, image.path));
  const ending = new AbortController();
  const start = (how: RunOptions) => begin(processes, command, { ...how, as: "own" }, ending);
  const begun = async (how: RunOptions) => {
    const served = start(how);
    await answering(served, socket, signal, disk, command);
    return served;
  };
  // The passphrase has been read when it answers
  const served = await (value === null ? begun({}) : withSecretFds([value], {}, begun));
  return { stop: served.stop };
}

interface Begun extends ServedDisk {
  /** How it ended by itself; null: it has not. */
  readonly result: () => ChildResult | Error | null;
}

function begin(processes: Processes, command: Command, how: RunOptions, ending: AbortController): Begun {
  let result: ChildResult | Error | null = null;
  const ended = processes.run(command, { ...how, signal: ending.signal }).then(
    (found) => {
      result = found;
    },
    (error) => {
      result = error as Error;
    },
  );
  const stop = async () => {
    ending.abort();
    await ended;
  };
  return { stop, result: () => result };
}

async function answering(
  served: Begun,
  socket: string,
  signal: AbortSignal,
  disk: GuestDisk,
  command: Command,
): Promise<void> {
  // The socket is there before the image is open: a passphrase is tried in between
  while (!(await greets(socket))) {
    const result = served.result();
    if (result instanceof Error) throw result;
    if (result !== null) throw whyNot(disk, command, result);
    if (signal.aborted) {
      await served.stop();
      throw new EstratoError("interrupted", "qemu-nbd: interrupted");
    }
    await delay(LOOK_MS);
  }
}

/** Does the server speak to who comes? It does when it has opened the image (the NBD protocol's handshake). */
function greets(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const client = createConnection(socket);
    const answer = (does: boolean) => {
      client.destroy();
      resolve(does);
    };
    client.setTimeout(GREETING_MS, () => answer(false));
    client.once("data", () => answer(true));
    client.once("error", () => answer(false));
    client.once("close", () => answer(false));
  });
}

function whyNot({ device, image }: GuestDisk, command: Command, result: ChildResult): EstratoError {
  if (result.exit === 127) return failure({ program: "qemu-nbd", args: [] }, result);
  const found = failure({ program: "qemu-nbd", args: [] }, result);
  if (/Invalid password, cannot unlock any keyslot/.test(result.stderr)) {
    return new EstratoError("host", `disk ${device}: it is encrypted with another passphrase`, {
      hint: "Name the file that holds the one it was encrypted with: --passphrase-file FILE.",
    });
  }
  if (found.code !== "failed") return found;
  return new EstratoError("integrity", `disk ${device}: it cannot be read: ${found.message}`, {
    hint: `See what is wrong with ${image.path}: qemu-img check.`,
    cause: command,
  });
}
