/** `backup verify`: is what is in the target what was written? Every byte of every file is read. */
import { EstratoError } from "../../errors.ts";
import type { BlockSums, ImageInfo } from "../../host/types.ts";
import { exclusive } from "../exclusive.ts";
import type { World } from "../ports.ts";
import { findBackup } from "./find.ts";
import { folderOf, readSmall, relativeBacking } from "./layout.ts";
import { ancestorsOf, type Backup, backupsIn } from "./list.ts";
import { type BackupDisk, type Manifest, sha256 } from "./manifest.ts";
import { parseSums } from "./sums.ts";
import { fileSum } from "./write.ts";

/** What `backup verify` says of one. */
export interface Verified {
  readonly id: string;
  readonly name: string | null;
  readonly instance: string | null;
  readonly status: "ok" | "damaged";
  /** Each names a file, and where in it. */
  readonly problems: readonly string[];
  readonly read_bytes: number;
  /** How long a guest took to boot from it; null where it was not asked for, or did not. */
  readonly booted_ms: number | null;
}

/**
 * Reads a backup, and all that it builds on. Nothing is thrown for what is found: it is in the answer.
 * Throws "not_found", "host" where the target is not there, "conflict" where a backup is being taken or removed there.
 */
export async function verifyBackup(world: World, targets: readonly string[], word: string): Promise<Verified> {
  const { target, id } = await findBackup(world, targets, word);
  return exclusive(world, [target], async () => {
    const known = new Map((await backupsIn(world, target)).map((one) => [one.id, one]));
    const backup = known.get(id);
    if (backup === undefined) throw new EstratoError("not_found", `backup ${word}: not found`);
    return verifyOne(world, backup, known, new Map());
  });
}

/** All of a target, each file read once. */
export async function verifyAll(world: World, target: string): Promise<Verified[]> {
  return exclusive(world, [target], async () => {
    const all = await backupsIn(world, target);
    const known = new Map(all.map((one) => [one.id, one]));
    const seen = new Map<string, Examined>();
    const verified: Verified[] = [];
    for (const backup of all) verified.push(await verifyOne(world, backup, known, seen));
    return verified;
  });
}

/** What was found in some folders. */
export interface Examined {
  readonly problems: readonly string[];
  readonly readBytes: number;
}

async function verifyOne(
  world: World,
  backup: Backup,
  known: ReadonlyMap<string, Backup>,
  seen: Map<string, Examined>,
): Promise<Verified> {
  const { problems, readBytes } = await examineAll(world, [backup.id, ...ancestorsOf(backup, known)], known, seen);
  const all = backup.problem === null ? problems : [backup.problem, ...problems];
  return {
    id: backup.id,
    name: backup.manifest?.name ?? null,
    instance: backup.manifest?.instance.name ?? null,
    status: all.length === 0 ? "ok" : "damaged",
    problems: all,
    read_bytes: readBytes,
    booted_ms: null,
  };
}

/** Reads these, each once for all who hand in the same `seen`. One that has no manifest is passed over: its backup says so. */
export async function examineAll(
  world: World,
  ids: readonly string[],
  known: ReadonlyMap<string, Backup>,
  seen: Map<string, Examined> = new Map(),
): Promise<Examined> {
  const problems: string[] = [];
  let readBytes = 0;
  for (const id of ids) {
    const one = known.get(id);
    if (one?.manifest == null) continue;
    const before = seen.get(id);
    const found = before ?? (await examine(world, one.target, one.manifest));
    seen.set(id, found);
    problems.push(...found.problems);
    if (before === undefined) readBytes += found.readBytes;
  }
  return { problems, readBytes };
}

async function examine(world: World, target: string, manifest: Manifest): Promise<Examined> {
  const folder = folderOf(target, manifest.id);
  const problems: string[] = [];
  const { definition, nvram, tpm } = manifest;
  const text = await readSmall(world, `${folder}/${definition.file}`);
  if (text === null || sha256(text) !== definition.sha256) problems.push(wrong(folder, definition.file, text === null));
  for (const kept of [nvram, tpm]) {
    if (kept === null) continue;
    const there = (await world.host.fileInfo(`${folder}/${kept.file}`)) !== null;
    if (!there || (await fileSum(world, `${folder}/${kept.file}`)) !== kept.sha256)
      problems.push(wrong(folder, kept.file, !there));
  }
  let readBytes = 0;
  for (const disk of manifest.disks) {
    const found = await examineDisk(world, target, folder, disk, manifest.encrypted);
    problems.push(...found.problems);
    readBytes += found.readBytes;
  }
  return { problems, readBytes };
}

function wrong(folder: string, file: string, missing: boolean): string {
  return `${folder}/${file}: ${missing ? "it is missing" : "it is not what was written"}`;
}

async function examineDisk(
  world: World,
  target: string,
  folder: string,
  disk: BackupDisk,
  encrypted: boolean,
): Promise<Examined> {
  const path = `${folder}/${disk.file}`;
  const sumsPath = `${folder}/${disk.sums.file}`;
  if ((await world.host.fileInfo(path)) === null) return { problems: [`${path}: it is missing`], readBytes: 0 };
  const text = await readSmall(world, sumsPath);
  if (text === null || sha256(text) !== disk.sums.sha256) {
    return { problems: [wrong(folder, disk.sums.file, text === null)], readBytes: 0 };
  }
  const wanted = parseSums(text, sumsPath);
  const found = await world.host.blockSums(path, wanted.blockBytes, {
    onProgress: (fraction) =>
      world.report.progress(`Read ${disk.file} of ${folder.slice(target.length + 1)}`, fraction),
  });
  const problems = differences(path, wanted, found);
  if (problems.length === 0) problems.push(...(await headerProblems(world, path, disk, encrypted)));
  return { problems, readBytes: found.sizeBytes };
}

/** The first blocks that differ: a disk that is wiped would fill the screen. */
const SHOWN = 5;

function differences(path: string, wanted: BlockSums & { blockBytes: number }, found: BlockSums): string[] {
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

/** What it stands on is not in its sums' power: another file of that name would read as well. */
async function headerProblems(world: World, path: string, disk: BackupDisk, encrypted: boolean): Promise<string[]> {
  // A target may come from elsewhere: no program opens a file of it that names another than the manifest does.
  const named = disk.parent === null ? null : relativeBacking(disk.parent, disk.file);
  let info: ImageInfo;
  try {
    info = await world.host.readSharedLayer(path, named, encrypted);
  } catch (error) {
    if (error instanceof EstratoError) return [error.message];
    throw error;
  }
  if (info.virtualSizeBytes !== disk.sizeBytes) {
    return [`${path}: its disk has ${info.virtualSizeBytes} bytes instead of ${disk.sizeBytes}`];
  }
  if (info.encrypted !== encrypted) return [`${path}: it is ${info.encrypted ? "" : "not "}encrypted`];
  if (encrypted) return []; // its tables open with its passphrase alone; they are the bytes that were written
  const faults = await world.host.countFaults({ path });
  return faults === 0 ? [] : [`${path}: ${faults} faults in its tables`];
}
