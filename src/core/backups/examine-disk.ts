/**
 * Is a disk of a backup what was written? Its bytes are read (all, or a share of them), and then its header: where it
 * stands, its size, its tables.
 */
import { EstratoError } from "../../errors.ts";
import type { BlockSums, ImageFile, ImageInfo } from "../model/host.ts";
import type { World } from "../ports.ts";
import { type BackupDisk, sha256 } from "./manifest.ts";
import { blocksIn, type Share } from "./share.ts";
import { parseSums, type Sums } from "./sums.ts";
import type { BackupFiles, BackupTarget, StoredBackup } from "./targets/target.ts";

/** What was found in some backups. */
export interface Examined {
  readonly problems: readonly string[];
  readonly readBytes: number;
  /**
   * Not a byte is known to be another, and yet not all could be looked at: it may another time, so that this is told
   * and not remembered.
   */
  readonly isUnread?: boolean;
}

/** Why a file cannot be what was written, before it is opened; null where it may be. */
export async function fileProblem(files: BackupFiles, file: string): Promise<string | null> {
  const found = await files.look(file);
  if (found === null) return `${files.nameOf(file)}: it is missing`;
  return found.isRegularFile && !found.isLink ? null : `${files.nameOf(file)}: it is no regular file`;
}

/** The words for a file that is another one. */
export function changed(files: BackupFiles, file: string): string {
  return `${files.nameOf(file)}: it is not what was written`;
}

/** A disk of the backup `id`. `share`: of its bytes only that; null: all. */
export async function examineDisk(
  world: World,
  target: BackupTarget,
  id: string,
  disk: BackupDisk,
  encrypted: boolean,
  share: Share | null,
): Promise<Examined> {
  const stored = target.backup(id);
  const isWanted = share === null ? null : ({ sums }: Sums) => blocksIn(share, id, disk.file, sums.length);
  const { problems, readBytes } = await examineBytes(world, stored, disk, isWanted, world.signal);
  if (problems.length > 0) return { problems, readBytes };
  // A target may come from elsewhere: no program opens a file of it that names another than the manifest does.
  const backing = disk.parent === null ? null : target.backingName(disk.parent, disk.file);
  const image = stored.image(disk.file);
  const wrong = await headerProblems(world, image, { backing, sizeBytes: disk.sizeBytes, encrypted });
  // Tables of an encrypted one open with its passphrase alone; they are the bytes that were written.
  if (wrong.length > 0 || encrypted) return { problems: wrong, readBytes };
  return { ...(await examineTables(world, image)), readBytes };
}

/** The same of its bytes alone. `wanted`: which blocks are read; null: all. `signal` ends it: "interrupted". */
export async function examineBytes(
  world: World,
  stored: StoredBackup,
  disk: BackupDisk,
  wanted: ((sums: Sums) => readonly boolean[]) | null,
  signal?: AbortSignal,
): Promise<Examined> {
  const missing = (await fileProblem(stored, disk.file)) ?? (await fileProblem(stored, disk.sums.file));
  if (missing !== null) return { problems: [missing], readBytes: 0 };
  const text = await stored.readText(disk.sums.file);
  if (text === null || sha256(text) !== disk.sums.sha256) {
    return { problems: [changed(stored, disk.sums.file)], readBytes: 0 };
  }
  const written = sumsIn(text, stored.nameOf(disk.sums.file));
  if (typeof written === "string") return { problems: [written], readBytes: 0 };
  const isWanted = wanted === null ? null : wanted(written);
  const found = await stored.blockSums(disk.file, written.blockBytes, {
    ...(signal === undefined ? {} : { signal }),
    ...(isWanted === null ? {} : { known: written.sums.map((sum, index) => (isWanted[index] ? null : sum)) }),
    onProgress: (fraction) =>
      world.report.progress(`Read ${disk.file} of ${stored.id}`, fraction, { totalBytes: disk.fileBytes }),
  });
  return {
    problems: differences(stored.nameOf(disk.file), written, found),
    readBytes: readOf(found.sizeBytes, written.blockBytes, isWanted),
  };
}

/** Or why there are none in it, though it is the very text that the manifest has the sum of. */
function sumsIn(text: string, where: string): Sums | string {
  try {
    return parseSums(text, where);
  } catch (error) {
    if (error instanceof EstratoError) return error.message;
    throw error;
  }
}

/** The last block may be shorter than the others. */
function readOf(sizeBytes: number, blockBytes: number, isWanted: readonly boolean[] | null): number {
  if (isWanted === null) return sizeBytes;
  const left = isWanted.map((_, index) => Math.max(0, Math.min(blockBytes, sizeBytes - index * blockBytes)));
  return left.reduce((sum, bytes, index) => sum + (isWanted[index] ? bytes : 0), 0);
}

/** The first blocks that differ: a disk that is wiped would fill the screen. */
const SHOWN = 5;

function differences(path: string, wanted: Sums, found: BlockSums): string[] {
  if (found.sizeBytes !== wanted.sizeBytes) {
    return [`${path}: it has ${found.sizeBytes} bytes instead of ${wanted.sizeBytes}`];
  }
  const blocks = wanted.sums.flatMap((sum, index) => (found.sums[index] === sum ? [] : [index]));
  const shown = blocks.slice(0, SHOWN).map((index) => {
    const [from, to] = [index * wanted.blockBytes, Math.min((index + 1) * wanted.blockBytes, wanted.sizeBytes)];
    return `${path}: changed between byte ${from} and ${to - 1}`;
  });
  return blocks.length > SHOWN ? [...shown, `${path}: and ${blocks.length - SHOWN} more places`] : shown;
}

/** What it stands on may be away, damaged or somebody's bait: that is found there, and not opened here. */
async function examineTables(world: World, image: ImageFile): Promise<Examined> {
  try {
    const faults = await world.host.countFaults({ ...image, alone: true });
    return { problems: faults === 0 ? [] : [`${image.path}: ${faults} faults in its tables`], readBytes: 0 };
  } catch (error) {
    if (!(error instanceof EstratoError) || error.code !== "failed") throw error;
    return { problems: [`${image.path}: its tables cannot be read: ${error.message}`], readBytes: 0, isUnread: true };
  }
}

export interface ExpectedHeader {
  /** The only name that it may stand on. */
  readonly backing: string | null;
  /** Of the disk; undefined: whatever it says. */
  readonly sizeBytes?: number | undefined;
  readonly encrypted: boolean;
}

/**
 * What the header of a disk in a target says otherwise than it should. What it stands on is not in its sums' power:
 * another file of that name would read as well.
 */
export async function headerProblems(
  world: World,
  { path }: ImageFile,
  { backing, sizeBytes, encrypted }: ExpectedHeader,
): Promise<string[]> {
  let info: ImageInfo;
  try {
    info = await world.host.readSharedLayer(path, backing, encrypted);
  } catch (error) {
    if (error instanceof EstratoError) return [error.message];
    throw error;
  }
  if (sizeBytes !== undefined && info.virtualSizeBytes !== sizeBytes) {
    return [`${path}: its disk has ${info.virtualSizeBytes} bytes instead of ${sizeBytes}`];
  }
  return info.encrypted === encrypted ? [] : [`${path}: it is ${info.encrypted ? "" : "not "}encrypted`];
}
