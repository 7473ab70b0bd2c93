/** Actions on simulated image files. */
import { createHash } from "node:crypto";
import { dirname, resolve } from "node:path";
import type { Action } from "../../src/core/model/action.ts";
import { EstratoError } from "../../src/errors.ts";
import { MissingProgram } from "../../src/host/process-failure.ts";
import {
  chainAt,
  fileAt,
  holders,
  newFile,
  type Reach,
  readChain,
  requireReadable,
  requireWritable,
} from "./host-images.ts";
import type { ClusterValue, FakeMachine } from "./host-machine.ts";
import { heldValue, passphraseIn, requireOpened } from "./host-secrets.ts";

type Of<Do extends Action["do"]> = Extract<Action, { do: Do }>;

export function createDisk(machine: FakeMachine, action: Of<"create-disk">): void {
  const backing = action.backing && {
    path: resolve(dirname(action.path), action.backing.path),
    format: action.backing.format,
  };
  if (backing) chainAt(machine, backing.path);
  const passphrase = action.secret === undefined ? null : heldValue(machine, action.secret);
  if (backing && action.secret !== undefined) requireOpened(machine, [backing.path], action.secret);
  const there = machine.files.get(action.path);
  if (!there) {
    machine.files.set(action.path, newFile({ sizeBytes: action.sizeBytes, backing, passphrase }));
    return;
  }
  requireReadable(machine, action.path);
  const same =
    there.sizeBytes === action.sizeBytes &&
    there.backing?.path === backing?.path &&
    there.backing?.format === backing?.format &&
    there.passphrase === passphrase &&
    there.clusters.size === 0;
  if (!same) throw new EstratoError("conflict", `${action.path}: there is another file of that name`);
  there.mode = 0o600;
}

/** A guest whose file is unlinked writes into nothing: no test may come to that. */
export function unlink(machine: FakeMachine, path: string): void {
  const { writers, readers } = holders(machine, path);
  if (writers + readers > 0) throw new Error(`fake host: ${path} is unlinked while a running guest has it open`);
  machine.files.delete(path);
  if (path.endsWith(".download")) machine.files.delete(`${path}.json`);
}

/** Half: a part that can be gone on with. */
export function download(machine: FakeMachine, { url, to }: Of<"download">, reach: Reach): void {
  const image = machine.web.get(url)?.image;
  if (image === undefined) throw new EstratoError("host", `${url}: the server answers 404`);
  machine.files.set(`${to}.json`, newFile({ format: "raw", text: JSON.stringify({ url }) }));
  const clusters = reach === "half" ? new Map([...image.clusters].slice(0, 1)) : image.clusters;
  machine.files.set(to, structuredClone({ ...image, clusters }));
}

/** Half: nothing of it is to be relied on. */
export function sysprep(machine: FakeMachine, { disks }: Of<"sysprep">, reach: Reach): void {
  if (!machine.hasSysprep) throw new MissingProgram("virt-sysprep");
  for (const path of disks) {
    requireWritable(machine, path);
    fileAt(machine, path).clusters.set(1, reach === "half" ? "half" : "nobody's");
  }
}

/** A stand-in: of a whole image and of a part it is not the same. */
export function sumOf(machine: FakeMachine, path: string, algorithm: "sha256" | "sha512"): string {
  const { format, sizeBytes, clusters } = fileAt(machine, path);
  return createHash(algorithm)
    .update(JSON.stringify([format, sizeBytes, [...clusters]]))
    .digest("hex");
}

/** Half: a piece under another name is left behind. */
export function convert(machine: FakeMachine, action: Of<"convert">, reach: Reach): void {
  const chain = action.fromFormat === "raw" ? [action.from] : chainAt(machine, action.from);
  requireReadable(machine, action.from);
  requireOpened(machine, chain, action.secret);
  if (action.compress && action.encrypt)
    throw new EstratoError("failed", "qemu-img: Compression and encryption not supported at the same time");
  const passphrase = passphraseOf(machine, action.encrypt);
  if (action.fromFormat === "raw" && action.toFormat === "raw" && fileAt(machine, action.from).format !== "raw") {
    copyBytes(machine, action, reach);
    return;
  }
  const clusters = readChain(machine, chain);
  const { sizeBytes, text } = fileAt(machine, action.from);
  const content = { clusters: new Map(clusters), text, passphrase };
  const file = newFile({ format: action.toFormat, sizeBytes, ...content, mode: action.mode });
  if (reach === "half") {
    machine.files.set(`${action.to}.part`, { ...file, clusters: new Map([...clusters].slice(0, 1)) });
    return;
  }
  machine.files.delete(`${action.to}.part`);
  machine.files.set(action.to, file);
}

/** An image as raw bytes: the copy is what it was, header and all. */
function copyBytes(machine: FakeMachine, { from, to, mode }: Of<"convert">, reach: Reach): void {
  const { uid, gid } = newFile({ format: "raw" });
  const copy = { ...structuredClone(fileAt(machine, from)), mode, uid, gid };
  machine.files.delete(`${to}.part`);
  machine.files.set(reach === "half" ? `${to}.part` : to, copy);
}

/** What the layers themselves hold, the later over the earlier, on another file. Half: a piece under another name. */
export function convertDelta(machine: FakeMachine, action: Of<"convert-delta">, reach: Reach): void {
  const backing = { path: resolve(dirname(action.to), action.backing.path), format: action.backing.format };
  const passphrase = passphraseOf(machine, action.encrypt);
  const secret = action.encrypt !== undefined && "secret" in action.encrypt ? action.encrypt.secret : undefined;
  requireOpened(machine, chainAt(machine, backing.path), secret);
  const clusters = new Map<number, ClusterValue>();
  for (const { path, secret: own } of action.layers) {
    requireReadable(machine, path);
    requireOpened(machine, [path], own);
    for (const [cluster, value] of fileAt(machine, path).clusters) clusters.set(cluster, value);
  }
  const file = newFile({ sizeBytes: action.sizeBytes, backing, clusters, passphrase, mode: action.mode });
  machine.files.set(reach === "half" ? `${action.to}.part` : action.to, file);
}

function passphraseOf(machine: FakeMachine, encrypt: Of<"convert">["encrypt"]): string | null {
  if (encrypt === undefined) return null;
  return "secret" in encrypt ? heldValue(machine, encrypt.secret) : passphraseIn(machine, encrypt.passphraseFile);
}

export function resize(machine: FakeMachine, action: Of<"resize-disk">): void {
  requireWritable(machine, action.path);
  requireOpened(machine, action.format === "raw" ? [action.path] : chainAt(machine, action.path), action.secret);
  const file = fileAt(machine, action.path);
  if (file.sizeBytes > action.sizeBytes) {
    throw new EstratoError("failed", `${action.path}: a disk cannot become smaller`);
  }
  file.sizeBytes = action.sizeBytes;
}
