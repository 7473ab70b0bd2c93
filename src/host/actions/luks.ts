/** What making and opening encrypted files needs beside the command itself. */
import type { Command, CopyEncryption } from "../../core/model/host.ts";
import { EstratoError } from "../../errors.ts";
import type { RunOptions } from "../child.ts";
import { createEmpty, removeFile } from "../files.ts";
import { failure } from "../process-failure.ts";
import { encryptedName, imageInfo, qemuImg, secretObject } from "../qemu-img.ts";
import { passphraseOf, withSecretFds } from "../secrets.ts";
import { type ActionContext, holdingLocks } from "./context.ts";

/** Runs `use` with what its children are to inherit: these secrets, in their order, and the locks. */
export async function withSecrets<T>(
  context: ActionContext,
  secrets: readonly CopyEncryption[],
  use: (how: RunOptions) => Promise<T>,
): Promise<T> {
  if (secrets.length === 0) return use(holdingLocks(context));
  const values: Buffer[] = [];
  for (const one of secrets) values.push(await passphraseOf(context.virsh, one));
  return withSecretFds(values, holdingLocks(context), use);
}

const ATTEMPTS = 20;

/**
 * Runs a command that makes `file`, an empty one of ours. It gives up where its measure of the computer falls between
 * two ticks of the clock ("Unable to get accurate CPU usage": about one attempt in eight, measured); then it is asked
 * again.
 */
export async function runLuks(context: ActionContext, command: Command, how: RunOptions, file: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const result = await context.processes.run(command, how);
    if (result.exit === 0) return;
    if (attempt === ATTEMPTS || !/Unable to get accurate CPU usage/.test(result.stderr)) throw failure(command, result);
    await removeFile(file); // qemu-img may have removed it, and would make it anew for all to read
    await createEmpty(file, 0o600);
  }
}

/**
 * "integrity" where a file that was just made is not what was asked for: nothing is written to one that is plain by
 * mistake.
 */
export async function requireEncrypted(context: ActionContext, path: string): Promise<void> {
  const info = await imageInfo(context.processes, path, { format: "qcow2" });
  if (info?.encrypted === true) return;
  throw new EstratoError("integrity", `${path}: it was to be encrypted, and is not`);
}

/**
 * The secret that the child inherits opens this file. QEMU does not ask that of what a new file stands on, and a
 * running guest goes on in one of another passphrase until it is stopped: then no secret opens its chain. "host" where
 * it does not.
 */
export async function requireOpens(context: ActionContext, path: string, how: RunOptions): Promise<void> {
  const command = qemuImg(
    "map",
    "--output=json",
    "-U",
    "--max-length=512",
    ...secretObject(),
    encryptedName(path, null),
  );
  await context.processes.output(command, how);
}
