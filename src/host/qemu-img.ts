/** qemu-img: what it is asked. The commands that change files are in actions/. Source of the words: qemu-img(1). */
import type { AskedFile, Command, DataPlace, Extent, ImageFile, ImageInfo } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { requireImages } from "./image-chain.ts";
import { isImageThere } from "./image-file.ts";
import type { Processes } from "./process.ts";
import { failure } from "./process-failure.ts";
import { qcow2Extents } from "./qcow2-extents.ts";
import { qcow2Info } from "./qcow2-info.ts";
import { createExtentReader, parseDepth, parseFaults, parseInfo, parseMeasure, parsePlace } from "./qemu-img-output.ts";
import { passphraseOf, secretPath, withSecretFds } from "./secrets.ts";
import type { Virsh } from "./virsh.ts";

export function qemuImg(...args: readonly string[]): Command {
  return { program: "qemu-img", args };
}

/**
 * A file name that cannot be taken for one of QEMU's protocols or options: it begins with a slash. A relative one is a
 * fault of ours.
 */
export function absolutePath(path: string): string {
  if (!path.startsWith("/") || path.includes("\0")) {
    throw new EstratoError("failed", `${path}: not an absolute path`);
  }
  return path;
}

/** The options that give qemu-img a secret that it inherits (withSecretFds), for the names below. */
export function secretObject(index = 0): readonly string[] {
  return ["--object", `secret,id=${secretId(index)},file=${secretPath(index)}`];
}

export function secretId(index = 0): string {
  return `sec${index}`;
}

/**
 * The name of an encrypted qcow2 file that says which secret opens it, and each of the `below` files that it stands on.
 * Null: it is opened without what it stands on. (A plain file needs no more than its path: what it stands on is in its
 * header.)
 */
export function encryptedName(path: string, below: number | null): string {
  const key = { "encrypt.key-secret": secretId() };
  let backing: object | null | undefined = below === null ? null : undefined;
  for (let level = 0; level < (below ?? 0); level += 1)
    backing = { ...key, ...(backing === undefined ? {} : { backing }) };
  const file = { driver: "file", filename: absolutePath(path) };
  return `json:${JSON.stringify({ driver: "qcow2", ...key, file, ...(backing === undefined ? {} : { backing }) })}`;
}

/** The same for a target, as `--target-image-opts` takes it; `index`: which of the inherited secrets. */
export function encryptedOptions(path: string, below: number, index: number): string {
  const levels = Array.from(
    { length: below + 1 },
    (_, level) => `${"backing.".repeat(level)}encrypt.key-secret=${secretId(index)}`,
  );
  const name = absolutePath(path).replaceAll(",", ",,");
  return `driver=qcow2,file.driver=file,file.filename=${name},${levels.join(",")}`;
}

/** How many files an image stands on. Opens no content: an encrypted one tells without its secret. */
export async function filesBelow(processes: Processes, path: string): Promise<number> {
  await requireImages({ path, format: "qcow2" });
  const command = qemuImg("info", "--output=json", "-U", "--backing-chain", "-f", "qcow2", absolutePath(path));
  return parseDepth(await processes.output(command)) - 1;
}

/** What opens a file; neither: it is plain. */
interface Key {
  readonly secret?: string | undefined;
  readonly passphraseFile?: string | undefined;
}

/** Runs `use` with what qemu-img needs to open files of that key: none where there is none. */
async function withSecret<T>(
  virsh: Virsh,
  { secret, passphraseFile }: Key,
  use: (object: readonly string[], how: { readonly inheritFds?: readonly number[] }) => Promise<T>,
): Promise<T> {
  const key = secret !== undefined ? { secret } : passphraseFile !== undefined ? { passphraseFile } : null;
  if (key === null) return use([], {});
  return withSecretFds([await passphraseOf(virsh, key)], {}, (how) => use(secretObject(), how));
}

function isKeyed({ secret, passphraseFile }: Key): boolean {
  return secret !== undefined || passphraseFile !== undefined;
}

/**
 * The facts of one image; null where there is no file. Unless `shared`, "conflict" where a guest or another program
 * has it open. Without `format` QEMU tells the format by the content: not for a raw file that a guest may have written.
 */
export async function imageInfo(
  processes: Processes,
  path: string,
  options: { readonly shared?: boolean; readonly format?: string } = {},
): Promise<ImageInfo | null> {
  if (!(await isImageThere(path))) return null;
  const told = options.shared && options.format === "qcow2" ? await qcow2Info(path) : null;
  if (told !== null) return told;
  const command = qemuImg(
    "info",
    "--output=json",
    ...(options.shared ? ["-U"] : []),
    ...(options.format ? ["-f", options.format] : []),
    absolutePath(path),
  );
  const result = await processes.run(command);
  if (result.exit === 0) return parseInfo(result.stdout, path);
  if (!(await isImageThere(path))) return null; // it went while we asked
  throw failure(command, result);
}

/**
 * The extents that a file itself holds. It is opened without what it stands on, so a chain with a gap answers too. A
 * running guest may have it open.
 */
export async function ownExtents(
  processes: Processes,
  virsh: Virsh,
  image: AskedFile,
  only?: "data",
): Promise<Extent[]> {
  const { path, format } = image;
  await isImageThere(path);
  const told = format === "qcow2" && !isKeyed(image) ? await qcow2Extents(path, only) : null;
  if (told !== null) return told;
  const reader = createExtentReader(format, only);
  const plain = format === "raw" ? ["-f", "raw", absolutePath(path)] : [aloneName(path, format)];
  const name = isKeyed(image) ? [encryptedName(path, null)] : plain;
  return withSecret(virsh, image, async (object, how) => {
    const command = qemuImg("map", "--output=json", "-U", ...object, ...name);
    for await (const line of processes.lines(command, how)) reader.line(line);
    return reader.extents;
  });
}

/** Opened with its chain: the options that name it, `-f` or `-F` (or none) and the name. */
async function openArguments(processes: Processes, image: ImageFile, formatOption: "-f" | "-F") {
  const { path, format, secret } = image;
  await requireImages(image);
  if (secret === undefined) return { options: [formatOption, format], name: absolutePath(path) };
  return { options: [], name: encryptedName(path, await filesBelow(processes, path)) };
}

/**
 * Where in a qcow2 file the data lies that it holds itself. Compressed data, which lies at no fixed place, is left out.
 */
export async function dataPlaces(
  processes: Processes,
  virsh: Virsh,
  image: Omit<AskedFile, "format">,
): Promise<DataPlace[]> {
  const { path } = image;
  await isImageThere(path);
  const places: DataPlace[] = [];
  const name = isKeyed(image) ? encryptedName(path, null) : aloneName(path, "qcow2");
  return withSecret(virsh, image, async (object, how) => {
    for await (const line of processes.lines(qemuImg("map", "--output=json", "-U", ...object, name), how)) {
      const place = parsePlace(line);
      if (place !== null) places.push(place);
    }
    return places;
  });
}

/** A qcow2 file as it is without what it stands on. */
function aloneName(path: string, format: string): string {
  const alone = { driver: format, file: { driver: "file", filename: absolutePath(path) }, backing: null };
  return `json:${JSON.stringify(alone)}`;
}

/**
 * What a new qcow2 file with this content, that of all it stands on included, takes at most. A running guest may have
 * it open.
 */
export async function convertedBytes(processes: Processes, virsh: Virsh, image: ImageFile): Promise<number> {
  const { options, name } = await openArguments(processes, image, "-f");
  return withSecret(virsh, image, async (object, how) => {
    const command = qemuImg("measure", "--output=json", "-U", ...object, ...options, "-O", "qcow2", name);
    return parseMeasure(await processes.output(command, how));
  });
}

/**
 * How many faults qemu-img finds in a qcow2 file's tables: clusters beyond its end (they read as zeros, and no copy
 * would complain), crossed references. Leaked clusters are no fault. "failed" where it cannot be examined. `alone`:
 * what it stands on is not opened.
 */
export async function countFaults(
  processes: Processes,
  virsh: Virsh,
  { path, secret, alone = false }: Omit<ImageFile, "format"> & { readonly alone?: boolean },
): Promise<number> {
  await (alone ? isImageThere(path) : requireImages({ path, format: "qcow2" }));
  const plain = alone ? [aloneName(path, "qcow2")] : ["-f", "qcow2", absolutePath(path)];
  const name = secret === undefined ? plain : [encryptedName(path, null)];
  return withSecret(virsh, { secret }, async (object, how) => {
    const command = qemuImg("check", "--output=json", "-U", ...object, ...name);
    const result = await processes.run(command, how);
    if (result.exit === 0 || result.exit === 2 || result.exit === 3) return parseFaults(result.stdout);
    throw failure(command, result);
  });
}

/** Does qemu-img find the two contents equal? A longer one is equal where its end reads as zeros. */
export async function sameContent(processes: Processes, virsh: Virsh, a: ImageFile, b: ImageFile): Promise<boolean> {
  const secret = a.secret ?? b.secret;
  if (a.secret !== undefined && b.secret !== undefined && a.secret !== b.secret) {
    throw new EstratoError("failed", `${a.path}, ${b.path}: they are encrypted with two secrets`);
  }
  const [one, other] = [await openArguments(processes, a, "-f"), await openArguments(processes, b, "-F")];
  const { command, result } = await withSecret(virsh, { secret }, async (object, how) => {
    const names = [...one.options, ...other.options, one.name, other.name];
    const compare = qemuImg("compare", "-U", ...object, ...names);
    return { command: compare, result: await processes.run(compare, how) };
  });
  if (result.exit === 0) return true;
  if (result.exit === 1) return false;
  throw failure(command, result);
}
