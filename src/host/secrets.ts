/**
 * Passphrases of encrypted images. libvirt keeps them; a value comes to virsh and qemu-img as a file without a name, in
 * memory, whose descriptor the child inherits: it is in no argument, no environment and no folder, and this module
 * never shows one.
 */
import { type FileHandle, open, unlink } from "node:fs/promises";
import type { CopyEncryption, SecretSummary } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { keepOutOfCoreDumps } from "../no-core-dump.ts";
import { openOutside } from "../outside-file.ts";
import { ANSWERS } from "../system-answer.ts";
import type { RunOptions } from "./child.ts";
import { lastWords, printable } from "./process-failure.ts";
import { temporaryName } from "./temporary-files.ts";
import type { Virsh } from "./virsh.ts";
import { childText, escapeXml, readXml } from "./xml.ts";

/** More is no passphrase that anybody types, but the wrong file. */
const LARGEST_BYTES = 4096;
/** File systems in memory that any Linux has. */
const IN_MEMORY = ["/dev/shm", "/run"];

/** Where a child finds the secrets that it was given: they are the first descriptors that it inherits. */
export function secretPath(index = 0): string {
  return `/dev/fd/${3 + index}`;
}

/**
 * Runs `use` with the descriptors of `values`, in their order, before those of `options`: what the child is to inherit.
 * They are gone afterwards.
 */
export async function withSecretFds<T>(
  values: readonly Buffer[],
  options: RunOptions,
  use: (options: RunOptions) => Promise<T>,
): Promise<T> {
  const files: FileHandle[] = [];
  try {
    for (const value of values) files.push(await namelessFile(value));
    return await use({ ...options, inheritFds: [...files.map(({ fd }) => fd), ...(options.inheritFds ?? [])] });
  } finally {
    for (const file of files) await file.close();
  }
}

/** It has a name only while it is empty. */
async function namelessFile(value: Buffer): Promise<FileHandle> {
  for (const folder of IN_MEMORY) {
    const name = temporaryName(`${folder}/estrato`);
    let file: FileHandle;
    try {
      file = await open(name, "wx+", 0o600);
    } catch {
      continue;
    }
    try {
      await unlink(name);
      await file.writeFile(value);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }
  throw new EstratoError(
    "host",
    `a passphrase needs a file in memory, and neither ${IN_MEMORY.join(" nor ")} takes one`,
    { hint: "See what is mounted there: findmnt." },
  );
}

/** The value of a secret that libvirt holds. "host" where it has none of that id, or no value for it. */
export async function readSecret(virsh: Virsh, uuid: string): Promise<Buffer> {
  keepOutOfCoreDumps();
  const { exit, stdout, stderr } = await virsh.run(["secret-get-value", "--secret", uuid]);
  if (exit === 0) return Buffer.from(stdout.trim(), "base64");
  const why = /no secret with matching/i.test(stderr) ? "libvirt has no such secret" : (lastWords(stderr) ?? "");
  throw new EstratoError("host", `secret ${uuid}, which opens an encrypted disk: ${why}`, {
    hint: 'Give it to libvirt again, with its passphrase: see "man estrato-concepts", Encryption.',
  });
}

/** The passphrase itself, from where it is. Throws what reading it there throws. */
export function passphraseOf(virsh: Virsh, key: CopyEncryption): Promise<Buffer> {
  return "secret" in key ? readSecret(virsh, key.secret) : readPassphrase(key.passphraseFile);
}

/** All secrets that libvirt holds, without their values. */
export async function listSecrets(virsh: Virsh): Promise<SecretSummary[]> {
  const text = await virsh.output(["secret-list"]);
  const uuids = [...text.matchAll(/^\s*([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b/gim)].map(
    (found) => found[1] ?? "",
  );
  if (uuids.length === 0) return [];
  const answers = await virsh.batch(uuids.map((uuid) => ["secret-dumpxml", "--secret", uuid]));
  return answers.flatMap(({ text: xml, error }, index): SecretSummary[] => {
    if (error !== null) return []; // it went while we asked
    const root = readXml(xml.trim(), "secret");
    return [{ uuid: uuids[index] ?? "", description: childText(root, "description") ?? "" }];
  });
}

/** The document that defines a secret: kept over restarts, and readable by who may ask libvirt. */
export function secretXml(uuid: string, description: string): string {
  return `<secret ephemeral='no' private='no'>
  <uuid>${escapeXml(uuid)}</uuid>
  <description>${escapeXml(description)}</description>
</secret>
`;
}

const NAME_IT = "Name the file that holds the passphrase.";

/**
 * The passphrase that a file holds, a newline at its end left out. Throws "host" where it cannot be read or is no
 * regular file, "usage" where it is empty or no passphrase (QEMU wants UTF-8 without NUL).
 */
export async function readPassphrase(path: string): Promise<Buffer> {
  const refuse = (code: "host" | "usage", why: string, hint: string, cause?: unknown) =>
    new EstratoError(code, `${printable(path)}: ${why}`, { hint, cause });
  keepOutOfCoreDumps();
  let file: FileHandle;
  try {
    file = await openOutside(path);
  } catch (cause) {
    if (cause instanceof EstratoError) throw refuse("host", "it is no regular file", NAME_IT, cause);
    const { code = "" } = cause as NodeJS.ErrnoException;
    const isThere = code !== "ENOENT" && code !== "ENOTDIR";
    const why = isThere ? `it cannot be read: ${ANSWERS[code]?.[0] ?? code}` : "there is no such file";
    throw refuse("host", why, NAME_IT, cause);
  }
  try {
    const found = await file.stat();
    if (found.size > LARGEST_BYTES) {
      throw refuse("usage", `larger than ${LARGEST_BYTES} bytes: no passphrase`, "Check that it is the file you mean.");
    }
    const bytes = await file.readFile();
    const value = bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes;
    if (value.length === 0) throw refuse("usage", "it holds no passphrase", "Write one into it.");
    if (value.includes(0) || !isUtf8(value)) {
      throw refuse("usage", "it holds no passphrase: not UTF-8 text", "Check that it is the file you mean.");
    }
    return value;
  } finally {
    await file.close();
  }
}

function isUtf8(value: Buffer): boolean {
  return Buffer.from(value.toString("utf8"), "utf8").equals(value);
}
