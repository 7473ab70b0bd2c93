/** What backups there are: read from the targets themselves, so that a machine without the store sees the same. */
import { EstratoError } from "../../errors.ts";
import type { World } from "../ports.ts";
import { folderOf, isBackupFolder, MANIFEST, readSmall, VOID_MARK } from "./layout.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import { readTarget } from "./targets.ts";

/** A backup in a target. `problem`: why it is none that could be relied on, as far as its manifest tells. */
export interface Backup {
  readonly id: string;
  readonly target: string;
  readonly manifest: Manifest | null;
  readonly problem: string | null;
}

/** What `backup list` and `show` say: the contract's JSON (CLI.md). */
export interface BackupView {
  readonly id: string;
  readonly name: string | null;
  readonly type: string | null;
  readonly instance: string | null;
  readonly instance_id: string | null;
  readonly status: "available" | "damaged";
  readonly problem: string | null;
  readonly incremental: boolean;
  readonly parent: string | null;
  readonly size_bytes: number;
  readonly written_bytes: number;
  readonly target: string;
  readonly created_at: string | null;
  readonly protected: boolean;
  readonly consistency: string | null;
  readonly compressed: boolean;
  readonly encrypted: boolean;
  readonly owner: string | null;
  readonly disks: readonly { readonly device: string; readonly size_bytes: number; readonly parent: string | null }[];
}

export interface BackupFilter {
  /** A UUID, or the name that the instance had when the backup was taken. */
  readonly instance?: string;
  readonly type?: string;
}

/** The backups in a target, the oldest first; damaged ones too. Throws "host" where the target is not there. */
export async function backupsIn(world: World, target: string): Promise<Backup[]> {
  await readTarget(world, await world.store.read(), target);
  const found: Backup[] = [];
  for (const name of await world.host.listFolder(target)) {
    if (!isBackupFolder(name)) continue;
    const backup = await readBackup(world, target, name);
    if (backup !== null) found.push(backup);
  }
  const known = new Map(found.map((one) => [one.id, one]));
  return found.map((one) => withoutParents(one, known)).sort(byAge);
}

/** The oldest first; what has no readable date before all others. */
export function byAge(a: Backup, b: Backup): number {
  const age = ({ manifest, id }: Backup) => `${manifest?.createdAt ?? ""} ${id}`;
  return age(a).localeCompare(age(b));
}

/** Null where it is being removed: nothing of it is promised any more. */
async function readBackup(world: World, target: string, id: string): Promise<Backup | null> {
  const folder = folderOf(target, id);
  if ((await world.host.fileInfo(`${folder}/${VOID_MARK}`)) !== null) return null;
  try {
    const where = `${folder}/${MANIFEST}`;
    const text = await readSmall(world, where);
    if (text === null) return { id, target, manifest: null, problem: "it has no manifest" };
    const manifest = parseManifest(text, where);
    if (manifest.id !== id) return { id, target, manifest: null, problem: `its manifest is that of ${manifest.id}` };
    return { id, target, manifest, problem: null };
  } catch (error) {
    if (!(error instanceof EstratoError)) throw error;
    return { id, target, manifest: null, problem: error.message };
  }
}

function withoutParents(one: Backup, known: ReadonlyMap<string, Backup>): Backup {
  if (one.problem !== null) return one;
  const missing = ancestorsOf(one, known).find((id) => known.get(id)?.manifest == null);
  return missing === undefined ? one : { ...one, problem: `${missing}, on which it builds, is missing or damaged` };
}

/** The backups that this one needs to be read, the nearest first. */
export function ancestorsOf({ manifest }: Backup, known: ReadonlyMap<string, Backup>): string[] {
  const found = new Set<string>(manifest?.disks.flatMap(({ parent }) => (parent === null ? [] : [parent])));
  for (const id of found) {
    for (const { parent } of known.get(id)?.manifest?.disks ?? []) if (parent !== null) found.add(parent);
  }
  return [...found];
}

/** Those that stand directly on this one. */
export function standingOnBackup(all: readonly Backup[], id: string): Backup[] {
  return all.filter(({ manifest }) => manifest?.disks.some(({ parent }) => parent === id));
}

/** Those of some targets, the oldest first. A target that is not there is told in a note, and the others are listed. */
export async function listBackups(
  world: World,
  targets: readonly string[],
  filter: BackupFilter = {},
): Promise<BackupView[]> {
  const found: Backup[] = [];
  for (const target of targets) {
    try {
      found.push(...(await backupsIn(world, target)));
    } catch (error) {
      if (targets.length === 1 || !(error instanceof EstratoError)) throw error;
      world.report.note(error.message);
    }
  }
  const { instance, type } = filter;
  return found
    .sort(byAge)
    .map(viewBackup)
    .filter((one) => instance === undefined || one.instance === instance || one.instance_id === instance)
    .filter((one) => type === undefined || one.type === type);
}

export function viewBackup({ id, target, manifest, problem }: Backup): BackupView {
  const parents = manifest?.disks.map(({ parent }) => parent) ?? [];
  const parent = parents.find((one) => one !== null) ?? null;
  const sum = (of: "sizeBytes" | "fileBytes") => manifest?.disks.reduce((bytes, disk) => bytes + disk[of], 0) ?? 0;
  return {
    id,
    name: manifest?.name ?? null,
    type: manifest?.type ?? null,
    instance: manifest?.instance.name ?? null,
    instance_id: manifest?.instance.id ?? null,
    status: problem === null ? "available" : "damaged",
    problem,
    incremental: parent !== null,
    parent,
    size_bytes: sum("sizeBytes"),
    written_bytes: sum("fileBytes"),
    target,
    created_at: manifest?.createdAt ?? null,
    protected: manifest?.protected ?? false,
    consistency: manifest?.consistency ?? null,
    compressed: manifest?.compressed ?? false,
    encrypted: manifest?.encrypted ?? false,
    owner: manifest?.owner ?? null,
    disks:
      manifest?.disks.map(({ device, sizeBytes, parent: on }) => ({ device, size_bytes: sizeBytes, parent: on })) ?? [],
  };
}
