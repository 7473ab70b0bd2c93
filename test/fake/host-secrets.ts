/** Simulated encryption: a file with a passphrase opens with a secret of that value, and with nothing else. */

import type { Action } from "../../src/core/model/action.ts";
import type { AskedFile, DomainDisk } from "../../src/core/model/host.ts";
import { EstratoError, WrongPassphrase } from "../../src/errors.ts";
import { chainAt, fileAt, type Reach } from "./host-images.ts";
import type { FakeMachine } from "./host-machine.ts";

type Of<Do extends Action["do"]> = Extract<Action, { do: Do }>;

/** What a secret of libvirt's holds. "host" where there is none of that id, or no value in it. */
export function heldValue(machine: FakeMachine, secret: string): string {
  const value = machine.secrets.get(secret)?.value ?? null;
  if (value === null) throw new EstratoError("host", `secret ${secret}: libvirt has no such secret`);
  return value;
}

/** Each of these files opens with that secret, or needs none and gets none. */
export function requireOpened(machine: FakeMachine, files: readonly string[], secret: string | undefined): void {
  const value = secret === undefined ? null : heldValue(machine, secret);
  for (const path of files) requireKey(machine, path, value);
}

/** The same of one that is asked something. */
export function requireAsked(machine: FakeMachine, { path, secret, passphraseFile }: Omit<AskedFile, "format">): void {
  if (secret !== undefined || passphraseFile === undefined) requireOpened(machine, [path], secret);
  else requireKey(machine, path, passphraseIn(machine, passphraseFile));
}

function requireKey(machine: FakeMachine, path: string, value: string | null): void {
  const { passphrase } = fileAt(machine, path);
  if (passphrase === value) return;
  const why =
    passphrase === null
      ? "Block format 'qcow2' does not support the option 'encrypt.key-secret'"
      : value === null
        ? "Parameter 'encrypt.key-secret' is required for cipher"
        : "Invalid password, cannot unlock any keyslot";
  const message = `qemu-img: Could not open '${path}': ${why}`;
  throw passphrase !== null && value !== null ? new WrongPassphrase(message) : new EstratoError("failed", message);
}

/**
 * The files that QEMU opens for a disk: libvirt believes the chain that an encrypted disk's definition names, and opens
 * no file without its secret.
 */
export function filesOf(
  machine: FakeMachine,
  disk: Pick<DomainDisk, "source" | "format" | "secret" | "backing">,
): string[] {
  const source = disk.source ?? "";
  const named = [{ path: source, secret: disk.secret }, ...(disk.secret === null ? [] : (disk.backing ?? []))];
  const chain =
    disk.format === "raw"
      ? [source]
      : disk.secret === null
        ? chainAt(machine, source)
        : named.map(({ path }) => path ?? "");
  // Where the definition ends the chain before the file does, the rest would be missing from what the guest reads.
  const deepest = chain.at(-1) ?? "";
  if (disk.secret !== null && fileAt(machine, deepest).backing !== null) {
    throw new EstratoError("failed", `virsh: ${deepest}: Parameter 'encrypt.key-secret' is required for cipher`);
  }
  for (const path of chain) {
    const secret = named.find((one) => one.path === path)?.secret ?? null;
    requireKey(machine, path, secret === null ? null : heldValue(machine, secret));
  }
  return chain;
}

/** Half: defined, and without its value. */
export function defineSecret(machine: FakeMachine, action: Of<"define-secret">, reach: Reach): void {
  const value = passphraseIn(machine, action.file);
  const { description } = action;
  machine.secrets.set(action.secret, { description, value: reach === "half" ? null : value });
}

export function passphraseIn(machine: FakeMachine, path: string): string {
  const text = machine.files.get(path)?.text ?? null;
  if (text === null) throw new EstratoError("host", `${path}: there is no such file`);
  const value = text.replace(/\n$/, "");
  if (value === "") throw new EstratoError("usage", `${path}: it holds no passphrase`);
  return value;
}
