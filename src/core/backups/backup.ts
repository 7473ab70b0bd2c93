/** A backup as it was found in a target, and how backups stand on each other. */
import { compareTexts } from "../../order.ts";
import type { BackupDisk, Manifest } from "./manifest.ts";
import type { BackupFile, BackupTarget } from "./targets/target.ts";
import type { Use } from "./use-note.ts";

/** `problem`: why it is none that could be relied on, as far as its manifest tells. */
export interface Backup {
  readonly id: string;
  /** The target's name. */
  readonly target: string;
  readonly manifest: Manifest | null;
  /** What its instance is called now, where this store knows it; else what it was called then. */
  readonly instanceName: string | null;
  readonly problem: string | null;
  /** What `verify` found wrong with its own files; null where nothing is known to be wrong with them. */
  readonly damage: string | null;
  /** By instances that were booted from it. */
  readonly uses: readonly Use[];
  /**
   * That is only that it is being merged with this one, on which it builds: it reads the same all the while. Who works
   * there, or died at it, ends it; where he cannot, cut-off.ts does.
   */
  readonly merging?: string | null;
  /**
   * Where nothing can be read in its manifest: the backups on which it builds as the headers of its disks say; null:
   * the disk does not read these either, and it may build on any.
   */
  readonly below?: readonly string[] | null;
}

/** Must it be taken for lost? One that is being merged reads the same all the while. */
export function isDamaged({ problem, merging }: Pick<Backup, "problem" | "merging">): boolean {
  return problem !== null && merging == null;
}

/** The oldest first; what has no readable date before all others. */
export function byAge(a: Backup, b: Backup): number {
  const age = ({ manifest, id }: Backup) => `${manifest?.createdAt ?? ""} ${id}`;
  return compareTexts(age(a), age(b));
}

/** The backups that this one needs to be read, the nearest first. */
export function ancestorsOf({ manifest }: Backup, known: ReadonlyMap<string, Backup>): string[] {
  const found = new Set<string>(manifest?.disks.flatMap(({ parent }) => (parent === null ? [] : [parent])));
  for (const id of found) {
    for (const { parent } of known.get(id)?.manifest?.disks ?? []) if (parent !== null) found.add(parent);
  }
  return [...found];
}

/** Those that stand directly on this one. What cannot be read may come back whole: it counts where it may be one. */
export function standingOnBackup(all: readonly Backup[], id: string): Backup[] {
  return all.filter((one) => one.id !== id && mayStandOn(one, id));
}

function mayStandOn({ manifest, below = [] }: Backup, id: string): boolean {
  if (manifest !== null) return manifest.disks.some(({ parent }) => parent === id);
  return below === null || below.includes(id);
}

/** A file of a chain, with what the manifest of its backup says of it. */
export interface ChainFile extends BackupFile {
  readonly disk: BackupDisk;
}

/** The files that hold a disk of the backup `id`, top first. `known`: all of the target, by id. */
export function diskChain(
  target: BackupTarget,
  id: string,
  disk: BackupDisk,
  known: ReadonlyMap<string, Backup>,
): ChainFile[] {
  const files: ChainFile[] = [];
  const seen = new Set<string>();
  let [at, one]: [string, BackupDisk | undefined] = [id, disk];
  while (one !== undefined && !seen.has(at)) {
    seen.add(at);
    files.push({ backup: target.backup(at), file: one.file, disk: one });
    if (one.parent === null) break;
    at = one.parent;
    one = known.get(at)?.manifest?.disks.find(({ device }) => device === disk.device);
  }
  return files;
}
