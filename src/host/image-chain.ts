/**
 * What a disk stands on, file by file, as the headers say it: read by ourselves, since it is asked of every domain of
 * the host, and a process for each file would take seconds.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type ChainFile, DATA_ELSEWHERE, type ImageFile, type KnownChain } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { lookAt } from "../outside-file.ts";
import { identityOf } from "./files.ts";
import { isImageThere, requireFileOrDisk } from "./image-file.ts";
import { printable } from "./process-failure.ts";
import { HEADER_BYTES, INCOMPATIBLE, readBacking, readQcow2Header } from "./qcow2-header.ts";
import { backingPath } from "./qemu-file-names.ts";
import { withScratch } from "./scratch.ts";

/** More than any libvirt starts: a chain that is longer bites its own tail through names that differ. */
const LONGEST = 1000;

/**
 * The file at `path` and all that it stands on, top first; [] where it is not there. It ends at the first file that
 * names no other, is of another format than qcow2, or is missing. "host" where a file cannot be read, or is neither a
 * file nor a disk; "integrity" where one stands on itself. `known`: the chain that begins at a file, where it was read.
 */
export async function imageChain(path: string, format: string, known?: KnownChain): Promise<ChainFile[]> {
  const chain: ChainFile[] = [];
  const seen = new Set<string>();
  let next: { path: string; format: string | null } | null = { path, format };
  while (next !== null) {
    const below = known?.(next.path, next.format);
    if (below !== undefined) return [...chain, ...below];
    const found: Read = await readOne(next.path, next.format);
    if (found === null) {
      if (chain.length > 0) chain.push({ ...next, identity: null, encrypted: false, fault: null });
      return chain;
    }
    const { identity } = found.file;
    if (identity === null || seen.has(identity) || chain.length >= LONGEST) {
      throw new EstratoError("integrity", `${printable(path)}: it stands on itself, by way of ${printable(next.path)}`);
    }
    seen.add(identity);
    chain.push(found.file);
    next = found.backing;
  }
  return chain;
}

/**
 * To be asked before QEMU is given images with all that they stand on: "host" where it might wait for one of these
 * files. What is not there QEMU tells itself.
 */
export async function requireImages(...images: readonly Pick<ImageFile, "path" | "format">[]): Promise<void> {
  for (const { path, format } of images) await imageChain(path, format);
}

type Read = { readonly file: ChainFile; readonly backing: { path: string; format: string | null } | null } | null;

/** Without a format QEMU would tell it by the content; so do we, where the content is a whole header of qcow2. */
async function readOne(path: string, format: string | null): Promise<Read> {
  if (!path.startsWith("/")) return null; // what no local file is: nbd://…
  const handle = await openImage(path);
  if (handle === null) return null;
  try {
    const stat = await handle.stat({ bigint: true });
    requireFileOrDisk(path, stat);
    const identity = identityOf(stat);
    const plain = { file: { path, format, identity, encrypted: false, fault: null }, backing: null };
    if (format !== null && format !== "qcow2") return plain;
    const [header, named] = await withScratch(HEADER_BYTES, async (memory) => {
      const { bytesRead } = await handle.read(memory, 0, HEADER_BYTES, 0);
      const content = memory.subarray(0, bytesRead);
      const found = readQcow2Header(content);
      return [found, typeof found === "string" ? null : readBacking(content, found)];
    });
    if (typeof header === "string") {
      if (format === null) return plain;
      return { ...plain, file: { ...plain.file, fault: `is not a qcow2 image: ${header}` } };
    }
    if (named === null && header.backingFileLengthBytes > 0) {
      throw new EstratoError("host", `${printable(path)}: what it stands on cannot be read`, {
        hint: `See what it names: qemu-img info ${printable(path)}.`,
      });
    }
    return {
      file: {
        path,
        format,
        identity,
        encrypted: header.cryptMethod !== 0,
        fault: (header.incompatible & INCOMPATIBLE.dataFile) === 0n ? null : DATA_ELSEWHERE,
      },
      backing: named === null ? null : { path: backingPath(path, named.file), format: named.format },
    };
  } finally {
    await handle.close();
  }
}

async function openImage(path: string): Promise<FileHandle | null> {
  try {
    if (!(await isImageThere(path))) return null;
    // It may have become a pipe since we looked: without O_NONBLOCK opening one waits for a writer.
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    if (cause instanceof EstratoError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw new EstratoError("host", `${printable(path)}: cannot be read (${code})`, { hint: lookAt(path), cause });
  }
}
