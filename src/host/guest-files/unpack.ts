/**
 * What comes out of a guest, written into a folder of the host. It is made in a folder of our own inside of that, into
 * which nobody else can put anything, and gets its names when it is whole; links come last of all, so that nothing is
 * ever written through one.
 */
import { constants } from "node:fs";
import {
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  rmdir,
  symlink,
  utimes,
} from "node:fs/promises";
import { join } from "node:path";
import type { Unpacked } from "../../core/model/guest-files.ts";
import { descriptorPath, forgetDescriptor } from "../../descriptor-names.ts";
import { EstratoError } from "../../errors.ts";
import { printable } from "../process-failure.ts";
import { hiddenFiles, temporaryName } from "../temporary-files.ts";
import { type Tally, tally } from "./left-out.ts";
import { staysInside } from "./links.ts";
import type { Outgoing } from "./outgoing.ts";

const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** Blocks of zeros become holes. */
const BLOCK_BYTES = 2 ** 16;
const ZEROS = Buffer.alloc(BLOCK_BYTES);
/** Who unpacks it must be able to look into it, and to remove it. */
const FOLDER_LEAST = 0o700;

export const KINDS_LEFT_OUT = { device: "they are devices", fifo: "they are FIFOs", socket: "they are sockets" };
export const LEADS_OUT = "these links would lead out of the folder";

/**
 * Unpacks into `folder`, which is made where only its last name is missing, whole or not at all. "conflict" where one
 * of the names is there. `onBytes`: so many have come.
 */
export async function unpack(
  entries: AsyncIterable<Outgoing>,
  folder: string,
  onBytes: (bytes: number) => void,
): Promise<Unpacked> {
  const isNew = await madeFolder(folder);
  const home = await open(folder, FOLDER);
  const base = descriptorPath(home.fd, folder);
  let isDone = false;
  try {
    await clearDead(base);
    const work = temporaryName(`${base}/x`);
    await mkdir(work, { mode: 0o700 });
    try {
      const found = await unpackInto(entries, work, onBytes);
      await moveUp(work, base, folder);
      isDone = true;
      return found;
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  } finally {
    forgetDescriptor(base);
    await home.close();
    if (isNew && !isDone) await rmdir(folder).catch(() => undefined);
  }
}

async function madeFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** What killed commands were making here. */
async function clearDead(base: string): Promise<void> {
  for (const { path, writer } of await hiddenFiles(base)) {
    const uid = writer === "dead" ? (await lstat(path).catch(() => null))?.uid : undefined;
    if (uid === process.getuid?.()) await rm(path, { recursive: true, force: true });
  }
}

async function unpackInto(
  entries: AsyncIterable<Outgoing>,
  work: string,
  onBytes: (bytes: number) => void,
): Promise<Unpacked> {
  const root = await open(work, FOLDER | constants.O_NOFOLLOW);
  const at = (place: readonly string[]) => bytePath(`/proc/self/fd/${root.fd}`, place);
  const made = tally();
  const folders = new Map<string, Outgoing | null>(); // null: only on the way to another
  const links: { readonly place: readonly string[]; readonly to: string }[] = [];
  let bytes = 0;
  try {
    for await (const entry of entries) {
      const { place, kind } = entry;
      if (place === null) {
        made.leaveOut(place, "their names lead out of the folder");
        continue;
      }
      try {
        const above = kind === "folder" ? place : place.slice(0, -1);
        await makeFolders(at, above, folders);
        if (kind === "folder") {
          folders.set(above.join("/"), entry);
          if (place.length > 0) made.came("folders");
        } else if (kind === "link") {
          if (staysInside(place, entry.link ?? "")) links.push({ place, to: entry.link ?? "" });
          else made.leaveOut(place, LEADS_OUT);
        } else if (kind === "same") {
          await sameFile(at, entry, place, links, made);
        } else if (kind === "file") {
          await writeFile(at(place), entry, (more) => {
            bytes += more;
            onBytes(bytes);
          });
          made.came("files", entry.sizeBytes);
        } else made.leaveOut(place, kind === "unknown" ? "they are of a kind of their own" : KINDS_LEFT_OUT[kind]);
      } catch (error) {
        made.leaveOut(place, whyNot(error));
      }
    }
    for (const { place, to } of links) await makeLink(at, place, to, made);
    for (const [name, entry] of [...folders].reverse()) {
      if (entry !== null && name !== "") await finishFolder(at(name.split("/")), entry);
    }
    return made.unpacked();
  } finally {
    await root.close();
  }
}

function bytePath(root: string, place: readonly string[]): Buffer {
  return Buffer.concat([Buffer.from(root), ...place.map((part) => Buffer.from(`/${part}`, "latin1"))]);
}

/** Those that are missing; none of them is a link, for these come last. */
async function makeFolders(
  at: (place: readonly string[]) => Buffer,
  place: readonly string[],
  known: Map<string, Outgoing | null>,
): Promise<void> {
  for (let depth = 1; depth <= place.length; depth += 1) {
    const part = place.slice(0, depth);
    if (known.has(part.join("/"))) continue;
    await mkdir(at(part), { mode: FOLDER_LEAST });
    known.set(part.join("/"), null);
  }
}

async function writeFile(path: Buffer, entry: Outgoing, onBytes: (more: number) => void): Promise<void> {
  // The umask takes what it takes of any new file
  const file = await open(path, NEW_FILE, entry.mode & 0o777);
  try {
    let written = 0;
    for await (const chunk of entry.content) {
      await writeSparsely(file, chunk, written);
      written += chunk.length;
      onBytes(chunk.length);
    }
    if (written !== entry.sizeBytes) {
      const why = `${written} of ${entry.sizeBytes} bytes of a file came out of the guest`;
      throw new EstratoError("integrity", why, { hint: "Nothing was kept. Try again." });
    }
    await file.truncate(written);
    await file.utimes(entry.modifiedAt, entry.modifiedAt);
  } finally {
    await file.close();
  }
}

async function writeSparsely(file: FileHandle, chunk: Uint8Array, from: number): Promise<void> {
  for (let at = 0; at < chunk.length; at += BLOCK_BYTES) {
    const block = chunk.subarray(at, at + BLOCK_BYTES);
    if (ZEROS.compare(block, 0, block.length, 0, block.length) === 0) continue;
    for (let done = 0; done < block.length; ) {
      done += (await file.write(block, done, block.length - done, from + at + done)).bytesWritten;
    }
  }
}

/** A second name of what has come already. */
async function sameFile(
  at: (place: readonly string[]) => Buffer,
  entry: Outgoing,
  place: readonly string[],
  links: { readonly place: readonly string[]; readonly to: string }[],
  made: Tally,
): Promise<void> {
  const first = links.find((one) => one.place.join("/") === entry.link);
  if (first !== undefined && staysInside(place, first.to)) {
    links.push({ place, to: first.to });
    return;
  }
  const there = entry.link === null ? null : await lstat(at(entry.link.split("/"))).catch(() => null);
  if (entry.link === null || there?.isFile() !== true) {
    made.leaveOut(place, "what they are a second name of is left out");
    return;
  }
  await link(at(entry.link.split("/")), at(place));
  made.came("files");
}

async function makeLink(
  at: (place: readonly string[]) => Buffer,
  place: readonly string[],
  to: string,
  made: Tally,
): Promise<void> {
  try {
    await symlink(Buffer.from(to, "latin1"), at(place));
    made.came("links");
  } catch (error) {
    made.leaveOut(place, whyNot(error));
  }
}

async function finishFolder(path: Buffer, { mode, modifiedAt }: Outgoing): Promise<void> {
  const folder = await open(path, FOLDER | constants.O_NOFOLLOW);
  try {
    await folder.chmod(((mode & 0o777) | FOLDER_LEAST) & ~process.umask());
  } finally {
    await folder.close();
  }
  await utimes(path, modifiedAt, modifiedAt);
}

const NAMES_REFUSED: Readonly<Record<string, string>> = {
  EEXIST: "there is another of that name",
  ENOTDIR: "what is above them is no folder",
  ENAMETOOLONG: "their names are too long here",
  EILSEQ: "this file system does not take their names",
  EINVAL: "this file system does not take their names",
  EPERM: "this file system takes no links",
  EMLINK: "this file system takes no more names of one file",
};

/** Why one of them cannot be here; throws what would keep all of them from it. */
function whyNot(error: unknown): string {
  const why = NAMES_REFUSED[(error as NodeJS.ErrnoException).code ?? ""];
  if (why === undefined || error instanceof EstratoError) throw error;
  return why;
}

/** Gives all their names, where none of these is there. */
async function moveUp(work: string, base: string, folder: string): Promise<void> {
  const names = await readdir(work, { encoding: "buffer" });
  const under = (above: string, name: Buffer) => Buffer.concat([Buffer.from(`${above}/`), name]);
  for (const name of names) {
    if ((await lstat(under(base, name)).catch(() => null)) !== null) throw wouldReplace(join(folder, `${name}`));
  }
  for (const name of names) await rename(under(work, name), under(base, name));
}

export function wouldReplace(path: string): EstratoError {
  return new EstratoError("conflict", `${printable(path)}: it is there already`, {
    hint: "Nothing is replaced: name another folder, or move it away.",
  });
}
