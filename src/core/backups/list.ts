/** What backups there are: read from the targets themselves, so that a machine without the store sees the same. */
import { EstratoError } from "../../errors.ts";
import type { World } from "../ports.ts";
import { folderOf, isBackupFolder, MANIFEST, readSmall, VOID_MARK } from "./layout.ts";
import { type BackupDisk, type Manifest, parseManifest } from "./manifest.ts";
import { readTarget } from "./targets.ts";
import { type Use, usersOf, usesOf } from "./uses.ts";

/** A backup in a target. `problem`: why it is none that could be relied on, as far as its manifest tells. */
export interface Backup {
  readonly id: string;
  readonly target: string;
  readonly manifest: Manifest | null;
  readonly problem: string | null;
  /** By instances that were booted from it. */
  readonly uses: readonly Use[];
  /** Is that only that it is being merged with one on which it builds? It reads the same all the while; who works there, or died at it, ends it. */
  readonly merging?: boolean;
}

/** What `backup list` and `show` say: the contract's JSON (CLI.md). */
export interface BackupView {
  readonly id: string;
  readonly name: string | null;
  readonly type: string | null;
  readonly instance: string | null;
  readonly instance_id: string | null;
  readonly status: "available" | "merging" | "damaged";
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
  /** Instances that still read from it. */
  readonly used_by: readonly string[];
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
  const found = await readAll(world, target);
  // Who holds no lock may have read one before a merge and the next after it: what looks wrong is looked at once more.
  return found.every(({ problem, merging }) => problem === null || merging) ? found : readAll(world, target);
}

async function readAll(world: World, target: string): Promise<Backup[]> {
  const found: Backup[] = [];
  const going = new Set<string>();
  for (const name of await world.host.listFolder(target)) {
    if (!isBackupFolder(name)) continue;
    const backup = await readBackup(world, target, name);
    if (backup === null) going.add(name);
    else found.push(backup);
  }
  const known = new Map(found.map((one) => [one.id, one]));
  return found.map((one) => withoutParents(one, known, going)).sort(byAge);
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
  const uses = await usesOf(world, target, id);
  try {
    const where = `${folder}/${MANIFEST}`;
    const text = await readSmall(world, where);
    if (text === null) return { id, target, manifest: null, problem: "it has no manifest", uses };
    const manifest = parseManifest(text, where);
    if (manifest.id !== id)
      return { id, target, manifest: null, problem: `its manifest is that of ${manifest.id}`, uses };
    return { id, target, manifest, problem: null, uses };
  } catch (error) {
    if (!(error instanceof EstratoError)) throw error;
    return { id, target, manifest: null, problem: error.message, uses };
  }
}

/** `going`: those that are being removed. */
function withoutParents(one: Backup, known: ReadonlyMap<string, Backup>, going: ReadonlySet<string>): Backup {
  if (one.problem !== null) return one;
  const missing = ancestorsOf(one, known).filter((id) => known.get(id)?.manifest == null);
  const [first] = missing;
  if (first === undefined) return one;
  if (!missing.every((id) => going.has(id)))
    return { ...one, problem: `${first}, on which it builds, is missing or damaged` };
  return { ...one, problem: `it is being merged with ${first}, on which it builds`, merging: true };
}

/** The backups that this one needs to be read, the nearest first. */
export function ancestorsOf({ manifest }: Backup, known: ReadonlyMap<string, Backup>): string[] {
  const found = new Set<string>(manifest?.disks.flatMap(({ parent }) => (parent === null ? [] : [parent])));
  for (const id of found) {
    for (const { parent } of known.get(id)?.manifest?.disks ?? []) if (parent !== null) found.add(parent);
  }
  return [...found];
}

/** The files that hold a disk of a backup, top first, with what their manifests say of them. */
export function filesOf(
  { target, id }: Pick<Backup, "target" | "id">,
  disk: BackupDisk,
  known: ReadonlyMap<string, Backup>,
): { readonly path: string; readonly disk: BackupDisk }[] {
  const files: { readonly path: string; readonly disk: BackupDisk }[] = [];
  const seen = new Set<string>();
  let [at, one]: [string, BackupDisk | undefined] = [id, disk];
  while (one !== undefined && !seen.has(at)) {
    seen.add(at);
    files.push({ path: `${folderOf(target, at)}/${one.file}`, disk: one });
    if (one.parent === null) break;
    at = one.parent;
    one = known.get(at)?.manifest?.disks.find(({ device }) => device === disk.device);
  }
  return files;
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

export function viewBackup({ id, target, manifest, problem, merging, uses }: Backup): BackupView {
  const parents = manifest?.disks.map(({ parent }) => parent) ?? [];
  const parent = parents.find((one) => one !== null) ?? null;
  const sum = (of: "sizeBytes" | "fileBytes") => manifest?.disks.reduce((bytes, disk) => bytes + disk[of], 0) ?? 0;
  return {
    id,
    name: manifest?.name ?? null,
    type: manifest?.type ?? null,
    instance: manifest?.instance.name ?? null,
    instance_id: manifest?.instance.id ?? null,
    status: problem === null ? "available" : merging ? "merging" : "damaged",
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
    used_by: usersOf({ uses }),
    disks:
      manifest?.disks.map(({ device, sizeBytes, parent: on }) => ({ device, size_bytes: sizeBytes, parent: on })) ?? [],
  };
}
