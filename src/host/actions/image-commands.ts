/**
 * The commands of qemu-img that make, copy and merge images. An encrypted one is opened with the secrets that the child
 * inherits.
 */
import { dirname, resolve } from "node:path";
import type { Action } from "../../core/model/action.ts";
import type { Command, CopyEncryption } from "../../core/model/host.ts";
import { absolutePath, encryptedName, encryptedOptions, qemuImg, secretId, secretObject } from "../qemu-img.ts";

type Of<Do extends Action["do"]> = Extract<Action, { do: Do }>;

/**
 * QEMU's default clusters, written out. Sub-clusters (extended_l2) would copy less under small writes, but a head must
 * be readable by every tool that a person may need in trouble, and bytes come before speed.
 */
const HEAD_OPTIONS = "compat=1.1,cluster_size=65536,lazy_refcounts=off";

/**
 * How long a computer like this one works on each guess of a passphrase, and on each opening of each file of a chain:
 * half a million rounds of SHA-256. QEMU's own 2000 ms would make the start of a guest on ten layers last 20 s; making
 * a file takes 2 s more, whatever the figure, in which QEMU measures the computer.
 */
const LUKS_OPTIONS = "encrypt.format=luks,encrypt.iter-time=250";

function luksOptions(index: number): string {
  return `${LUKS_OPTIONS},encrypt.key-secret=${secretId(index)}`;
}

/** How many files an image stands on, and the one that it is to stand on. */
export interface Below {
  readonly image: number;
  readonly backing: number;
}

export const ONE_EACH: Below = { image: 1, backing: 0 };

export function createDisk({ backing, sizeBytes, secret }: Of<"create-disk">, path: string): Command {
  const stands = backing === null ? [] : ["-b", backing.path, "-F", backing.format];
  const object = secret === undefined ? [] : secretObject();
  const options = secret === undefined ? HEAD_OPTIONS : `${HEAD_OPTIONS},${luksOptions(0)}`;
  const size = String(sizeBytes);
  return qemuImg("create", "-q", "-f", "qcow2", ...object, "-o", options, ...stands, absolutePath(path), size);
}

/** The secrets that a copy needs, each once, in the order in which the child gets them: what opens its source first. */
export function secretsOfCopy({ secret, encrypt }: Of<"convert">): CopyEncryption[] {
  const source = secret === undefined ? [] : [{ secret }];
  const same = encrypt !== undefined && "secret" in encrypt && encrypt.secret === secret;
  return encrypt === undefined || same ? source : [...source, encrypt];
}

export function convert(action: Of<"convert">, to: string, below: Below = ONE_EACH): Command {
  const secrets = secretsOfCopy(action);
  return qemuImg(
    "convert",
    "-p",
    ...secrets.flatMap((_, index) => secretObject(index)),
    ...(action.secret === undefined ? ["-f", action.fromFormat] : []),
    "-O",
    action.toFormat,
    ...(action.encrypt === undefined ? [] : ["-o", luksOptions(secrets.length - 1)]),
    ...(action.compress ? ["-c"] : []),
    action.secret === undefined ? absolutePath(action.from) : encryptedName(action.from, below.image),
    absolutePath(to),
  );
}

/**
 * Delta by delta into `to`.part: `-n -B` writes only what a layer itself holds, the next one over it (one layer at a
 * time: with two, convert would silently leave one out). Compressing needs a pass of its own, since a compressed
 * cluster cannot be written twice.
 */
export function convertDelta(action: Of<"convert-delta">, to: string, below?: DeltaBelow): Command[] {
  const { layers, backing, sizeBytes, compress } = action;
  if (action.encrypt !== undefined) return encryptedDelta(action, to, below);
  const last = `${to}.part`;
  const plain = compress ? `${to}.plain.part` : last;
  const stands = [backing.path, "-F", backing.format];
  // convert opens -B from where we are, create and the header from where the file is.
  const under = [resolve(dirname(to), backing.path), "-F", backing.format];
  const made = qemuImg("create", "-q", "-f", "qcow2", "-o", HEAD_OPTIONS, "-b", ...stands, plain, String(sizeBytes));
  const copies = layers.map(({ path, format }) =>
    qemuImg("convert", "-p", "-n", "-f", format, "-O", "qcow2", "-B", ...under, absolutePath(path), plain),
  );
  if (!compress) return [made, ...copies];
  const pressed = qemuImg("convert", "-p", "-c", "-f", "qcow2", "-O", "qcow2", "-B", ...under, plain, last);
  const named = qemuImg("rebase", "-u", "-f", "qcow2", "-b", ...stands, last);
  return [made, ...copies, pressed, named];
}

/** How many files the target stands on, and each of the layers; only encrypted ones must know. */
export interface DeltaBelow {
  readonly target: number;
  readonly layers: readonly number[];
}

/** The secrets that a delta needs, each once: that of its layers first. */
export function secretsOfDelta({ layers, encrypt }: Of<"convert-delta">): CopyEncryption[] {
  const secret = layers.find((layer) => layer.secret !== undefined)?.secret;
  return [...(secret === undefined ? [] : [{ secret }]), ...(encrypt === undefined ? [] : [encrypt])];
}

/** Measured on 7.2: a copy into a target that is named by its options takes -B as any other. */
function encryptedDelta(action: Of<"convert-delta">, to: string, below?: DeltaBelow): Command[] {
  const { layers, backing, sizeBytes } = action;
  const part = `${to}.part`;
  const secrets = secretsOfDelta(action);
  const objects = secrets.flatMap((_, index) => secretObject(index));
  const own = secrets.length - 1;
  const options = `${HEAD_OPTIONS},${luksOptions(own)}`;
  const stands = ["-b", backing.path, "-F", backing.format];
  const made = qemuImg("create", "-q", "-f", "qcow2", ...objects, "-o", options, ...stands, part, String(sizeBytes));
  const target = encryptedOptions(part, below?.target ?? 1, own);
  const under = ["-B", resolve(dirname(to), backing.path), "-F", backing.format];
  const copies = layers.map(({ path, format, secret }, index) => {
    const source =
      secret === undefined
        ? ["-f", format, "--target-image-opts", ...under, absolutePath(path)]
        : ["--target-image-opts", ...under, encryptedName(path, below?.layers[index] ?? 1)];
    return qemuImg("convert", "-p", "-n", ...objects, ...source, target);
  });
  return [made, ...copies];
}

export function resize({ path, format, sizeBytes, secret }: Of<"resize-disk">, below: Below): Command {
  if (secret === undefined) return qemuImg("resize", "-f", format, absolutePath(path), String(sizeBytes));
  return qemuImg("resize", ...secretObject(), encryptedName(path, below.image), String(sizeBytes));
}

/**
 * qemu-img opens what a file is to stand on by its name alone, so that name must say the secret, and it goes into the
 * header (measured on both generations). The second command puts the plain name there. Killed in between, the chain
 * reads the same, and whoever repeats it finishes it.
 */
function encryptedRebase({ file, backing }: Of<"rebase">, below: Below): Command[] {
  const name = encryptedName(file, below.image);
  if (backing === null) return [qemuImg("rebase", ...secretObject(), "-b", "", name)];
  const onto = encryptedName(backing.path, below.backing);
  return [
    qemuImg("rebase", ...secretObject(), "-b", onto, "-F", backing.format, name),
    encryptedRelink({ file, backing }),
  ];
}

/** Opens neither what it stands on nor what it will. */
function encryptedRelink({ file, backing }: Pick<Of<"relink">, "file" | "backing">): Command {
  const { path, format } = backing;
  return qemuImg("rebase", "-u", ...secretObject(), "-b", path, "-F", format, encryptedName(file, 0));
}

function rebase(file: string, backing: Of<"rebase">["backing"], how: readonly string[]): Command {
  const onto = backing === null ? ["-b", ""] : ["-b", backing.path, "-F", backing.format];
  return qemuImg("rebase", ...how, "-f", "qcow2", ...onto, absolutePath(file));
}

/** The merge of a file into the one that it stands on. */
export function commit({ top, topFormat, base, secret }: Of<"commit">, below: Below): Command {
  if (secret === undefined) return qemuImg("commit", "-d", "-f", topFormat, "-b", base, absolutePath(top));
  return qemuImg("commit", "-d", ...secretObject(), encryptedName(top, below.image));
}

export function rebaseOnto(action: Of<"rebase">, below: Below): Command[] {
  return action.secret === undefined ? [rebase(action.file, action.backing, [])] : encryptedRebase(action, below);
}

export function relink(action: Of<"relink">): Command {
  return action.secret === undefined ? rebase(action.file, action.backing, ["-u"]) : encryptedRelink(action);
}
