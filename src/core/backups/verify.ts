/**
 * `backup verify`: is what is in the target what was written? Every byte of every file is read, or a share of them, and
 * what is found is remembered there.
 */

import { EstratoError } from "../../errors.ts";
import { notFound } from "../names.ts";
import { recoverAll } from "../operations/recovery.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { World } from "../ports.ts";
import { ancestorsOf, type Backup } from "./backup.ts";
import { rememberVerdict } from "./damage.ts";
import { changed, type Examined, examineDisk, fileProblem } from "./examine-disk.ts";
import { findBackup } from "./find.ts";
import { readDefinition } from "./import.ts";
import { backupsIn } from "./list.ts";
import type { Manifest } from "./manifest.ts";
import type { Share } from "./share.ts";
import { openTarget } from "./targets/open.ts";
import type { BackupTarget, StoredBackup } from "./targets/target.ts";
import { fileSum } from "./write.ts";

/** What `backup verify` says of one. */
export interface Verified {
  readonly id: string;
  readonly name: string | null;
  readonly instance: string | null;
  /** Where it is, by its name. */
  readonly target: string;
  // Unbootable: its bytes are those that were written, and yet no guest comes up
  readonly status: "ok" | "damaged" | "unbootable";
  /** Each names a file, and where in it. */
  readonly problems: readonly string[];
  readonly read_bytes: number;
  /** How long a guest took to boot from it; null where it was not asked for, or did not. */
  readonly booted_ms: number | null;
}

/**
 * Reads a backup, and all that it builds on; of their data only `share`, where it is given. Nothing is thrown for what
 * is found: it is in the answer.
 * Throws "not_found", "host" where the target is not there, and "conflict" as `verifyAll`.
 */
export async function verifyBackup(
  world: World,
  targets: readonly string[],
  word: string,
  share: Share | null = null,
): Promise<Verified> {
  const { target, id } = await findBackup(world, targets, word);
  const [found] = await verifyThese(world, target, (one) => one.id === id, share);
  if (found === undefined) throw notFound("backup", word);
  return found;
}

/**
 * All of a target, each file read once. Backups may be taken, merged and removed meanwhile, by this store or another:
 * what was removed is left out. Throws "conflict" where something looks damaged, and who works there leaves no time to
 * look again.
 */
export async function verifyAll(world: World, target: string, share: Share | null = null): Promise<Verified[]> {
  return verifyThese(world, target, () => true, share);
}

/**
 * Holds no lock, so that a night's backup need not wait for a day's reading: whose bytes are those of its manifest is
 * sound. What differs is read again under the lock, since a merge may have been at it, and so is what was found damaged
 * once, all of it, since no share says that it is whole again; then the verdict is remembered.
 */
async function verifyThese(
  world: World,
  target: string,
  wanted: (backup: Backup) => boolean,
  share: Share | null,
): Promise<Verified[]> {
  if (!world.dryRun) await recoverAll(world);
  const { verified, noted } = await readThese(world, target, wanted, true, share);
  const doubtful = new Set([...verified.filter(({ status }) => status === "damaged").map(({ id }) => id), ...noted]);
  if (doubtful.size === 0) return verified;
  const again = await withLocks(world, [target], async (locks) => {
    const seen = new Map<string, Examined>();
    try {
      return (await readThese(world, target, ({ id }) => doubtful.has(id), false, null, seen)).verified;
    } finally {
      // What ends the reading takes nothing back of what has been found before.
      for (const [id, { problems, isUnread }] of world.dryRun ? [] : seen) {
        if (isUnread !== true) await rememberVerdict(world, locks, target, id, problems);
      }
    }
  });
  return verified.flatMap((one) => (doubtful.has(one.id) ? again.filter(({ id }) => id === one.id) : [one]));
}

interface Read {
  readonly verified: Verified[];
  /** Those that were found damaged once, or build on one that was. */
  readonly noted: readonly string[];
}

/** `changing`: files may go while they are read. `seen`: is given what was found of each one's own files. */
async function readThese(
  world: World,
  target: string,
  wanted: (backup: Backup) => boolean,
  changing: boolean,
  share: Share | null,
  seen: Map<string, Examined> = new Map(),
): Promise<Read> {
  const all = await backupsIn(world, target, { remembered: false });
  const known = new Map(all.map((one) => [one.id, one]));
  const verified: Verified[] = [];
  const noted: string[] = [];
  for (const backup of all.filter(wanted)) {
    if ([backup.id, ...ancestorsOf(backup, known)].some((id) => known.get(id)?.damage != null)) noted.push(backup.id);
    try {
      verified.push(await verifyOne(world, backup, known, seen, share));
    } catch (error) {
      if (!changing || !(error instanceof EstratoError) || error.code === "interrupted") throw error;
      verified.push(verdict(backup, { problems: [error.message], readBytes: 0 }));
    }
  }
  return { verified, noted };
}

async function verifyOne(
  world: World,
  backup: Backup,
  known: ReadonlyMap<string, Backup>,
  seen: Map<string, Examined>,
  share: Share | null,
): Promise<Verified> {
  return verdict(backup, await examineAll(world, [backup.id, ...ancestorsOf(backup, known)], known, seen, share));
}

function verdict(backup: Backup, { problems, readBytes }: Examined): Verified {
  const all = backup.problem === null ? problems : [backup.problem, ...problems];
  return {
    id: backup.id,
    name: backup.manifest?.name ?? null,
    instance: backup.instanceName,
    target: backup.target,
    status: all.length === 0 ? "ok" : "damaged",
    problems: all,
    read_bytes: readBytes,
    booted_ms: null,
  };
}

/**
 * Reads these, each once for all who hand in the same `seen`. One that has no manifest is passed over: its backup says
 * so.
 */
export async function examineAll(
  world: World,
  ids: readonly string[],
  known: ReadonlyMap<string, Backup>,
  seen: Map<string, Examined> = new Map(),
  share: Share | null = null,
): Promise<Examined> {
  const problems: string[] = [];
  let readBytes = 0;
  for (const id of ids) {
    const one = known.get(id);
    if (one?.manifest == null) continue;
    const before = seen.get(id);
    const found = before ?? (await examine(world, openTarget(world, one.target), one.manifest, share));
    seen.set(id, found);
    problems.push(...found.problems);
    if (before === undefined) readBytes += found.readBytes;
  }
  return { problems, readBytes };
}

/** What its files are; where the disk does not read one (EIO), that, and the others of its target are read yet. */
async function examine(world: World, target: BackupTarget, manifest: Manifest, share: Share | null): Promise<Examined> {
  try {
    return await examineFiles(world, target, manifest, share);
  } catch (error) {
    const { code } = (error instanceof EstratoError ? (error.cause ?? error) : error) as NodeJS.ErrnoException;
    if (code !== "EIO") throw error;
    const { name } = target.backup(manifest.id);
    return { problems: [`${name}: the disk does not read one of its files`], readBytes: 0, isUnread: true };
  }
}

async function examineFiles(
  world: World,
  target: BackupTarget,
  manifest: Manifest,
  share: Share | null,
): Promise<Examined> {
  const problems = await smallProblems(world, target.backup(manifest.id), manifest);
  const unread: string[] = [];
  let readBytes = 0;
  for (const disk of manifest.disks) {
    const found = await examineDisk(world, target, manifest.id, disk, manifest.encrypted, share);
    (found.isUnread === true ? unread : problems).push(...found.problems);
    readBytes += found.readBytes;
  }
  const isUnread = problems.length === 0 && unread.length > 0;
  return { problems: [...problems, ...unread], readBytes, ...(isUnread ? { isUnread } : {}) };
}

/** What is wrong with all of a backup but its disks. */
export async function smallProblems(world: World, stored: StoredBackup, manifest: Manifest): Promise<string[]> {
  const problems: string[] = [];
  const { nvram, tpm, seed = null } = manifest;
  await readDefinition(world, stored, manifest).catch((error) => {
    if (!(error instanceof EstratoError) || error.code !== "integrity") throw error;
    problems.push(error.message);
  });
  for (const kept of [nvram, tpm, seed]) {
    if (kept === null) continue;
    const missing = await fileProblem(stored, kept.file);
    if (missing !== null) problems.push(missing);
    else if ((await fileSum(stored, kept.file)) !== kept.sha256) problems.push(changed(stored, kept.file));
  }
  return problems;
}
