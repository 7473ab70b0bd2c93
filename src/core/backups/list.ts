/** What backups there are: read from the targets themselves, so that a machine without the store sees the same. */
import { EstratoError } from "../../errors.ts";
import { ANSWERS } from "../../system-answer.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { ancestorsOf, type Backup, byAge, isDamaged } from "./backup.ts";
import { damageOf } from "./damage.ts";
import { readManifest } from "./manifest.ts";
import { VOID_NOTE } from "./parts.ts";
import { requireTarget } from "./targets/identity.ts";
import { openTarget } from "./targets/open.ts";
import type { BackupTarget, StoredBackup } from "./targets/target.ts";
import { usesOf } from "./use-note.ts";
import { usersOf } from "./uses.ts";
import { instanceMeant, noteFormer } from "./whose.ts";

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
  /** The id of the schedule that took it. */
  readonly schedule: string | null;
  readonly owner: string | null;
  /** Instances that still read from it. */
  readonly used_by: readonly string[];
  readonly disks: readonly { readonly device: string; readonly size_bytes: number; readonly parent: string | null }[];
}

export interface BackupFilter {
  /** A UUID, or the name that the instance has (see whose.ts). */
  readonly instance?: string;
  readonly type?: string;
}

/**
 * The backups in a target, the oldest first; damaged ones too. Throws "host" where the target is not there.
 * `remembered` false: what `verify` has found is no problem of theirs, for who verifies them anew.
 */
export async function backupsIn(
  world: World,
  target: string,
  { remembered = true }: { readonly remembered?: boolean } = {},
): Promise<Backup[]> {
  const state = await world.store.read();
  await requireTarget(world, state, target);
  const opened = openTarget(world, target);
  const found = await readAll(world, opened, state);
  const judged = (all: Backup[]) => (remembered ? withVerdicts(all) : all);
  // Who holds no lock may have read one before a merge and the next after it: what looks wrong is looked at once more.
  return judged(found.every((one) => !isDamaged(one)) ? found : await readAll(world, opened, state));
}

/** One that was taken just now, under the target's lock: all others need not be read for it. */
export async function backupTaken(world: World, target: string, id: string): Promise<Backup> {
  const found = await readBackup(world, openTarget(world, target), id, await world.store.read());
  if (found === null) throw new EstratoError("integrity", `backup ${id}: it is not there`);
  return found;
}

async function readAll(world: World, target: BackupTarget, state: State): Promise<Backup[]> {
  const found: Backup[] = [];
  const going = new Set<string>();
  for (const id of await target.backupIds()) {
    const backup = await readBackup(world, target, id, state);
    if (backup === null) going.add(id);
    else found.push(backup);
  }
  const known = new Map(found.map((one) => [one.id, one]));
  return found.map((one) => withoutParents(one, known, going)).sort(byAge);
}

/** Null where it is being removed: nothing of it is promised any more. */
async function readBackup(
  world: World,
  target: BackupTarget,
  id: string,
  { instances }: State,
): Promise<Backup | null> {
  const stored = target.backup(id);
  const own = { id, target: target.name, instanceName: null };
  let known: Pick<Backup, "uses" | "damage"> = { uses: [], damage: null };
  const unread = async (problem: string): Promise<Backup> => {
    const below = await parentsByHeaders(world, target, stored);
    return { ...own, ...known, manifest: null, problem, below };
  };
  try {
    if ((await stored.look(VOID_NOTE)) !== null) return null;
    known = { uses: await usesOf(stored), damage: await damageOf(stored) };
    const manifest = await readManifest(stored);
    if (manifest === null) return await unread("it has no manifest");
    if (manifest.id !== id) return await unread(`its manifest is that of ${manifest.id}`);
    const instanceName = instances[manifest.instance.id]?.name ?? manifest.instance.name;
    return { ...own, ...known, manifest, instanceName, problem: null };
  } catch (error) {
    if (!(error instanceof EstratoError)) throw error;
    return unread(error.message);
  }
}

/**
 * The backups that the headers of its disks name; null where the disk does not read them. What is another user's, or no
 * image at all, builds on none of ours.
 */
async function parentsByHeaders(world: World, target: BackupTarget, stored: StoredBackup): Promise<string[] | null> {
  const found: string[] = [];
  try {
    for (const file of await stored.list()) {
      if (!file.endsWith(".qcow2")) continue;
      const [, below] = await world.host.imageChain(stored.image(file).path, "qcow2");
      if (below !== undefined) found.push(target.fileAt(below.path).backup.id);
    }
  } catch (error) {
    const { code = "" } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
    const isFailing = ANSWERS[code] !== undefined && !["EACCES", "EPERM"].includes(code);
    if (isFailing) return null;
    if (!(error instanceof EstratoError)) throw error;
  }
  return found;
}

/** `going`: those that are being removed. */
function withoutParents(one: Backup, known: ReadonlyMap<string, Backup>, going: ReadonlySet<string>): Backup {
  if (one.problem !== null) return one;
  const below = ancestorsOf(one, known);
  const missing = below.filter((id) => known.get(id)?.manifest == null);
  const [first] = missing;
  if (first === undefined) return { ...one, problem: gapIn([one.id, ...below], known) };
  if (!missing.every((id) => going.has(id)))
    return { ...one, problem: `${first}, on which it builds, is missing or damaged` };
  return { ...one, problem: `it is being merged with ${first}, on which it builds`, merging: first };
}

/**
 * A disk's header names what it stands on, and a manifest says by its parent alone whose file that is: one that the
 * parent's own manifest does not name would be opened with nobody having looked at it. Null where there is none.
 */
function gapIn(ids: readonly string[], known: ReadonlyMap<string, Backup>): string | null {
  for (const { device, file, parent } of ids.flatMap((id) => known.get(id)?.manifest?.disks ?? [])) {
    if (parent === null) continue;
    const below = known.get(parent)?.manifest?.disks.find((disk) => disk.device === device);
    if (below?.file !== file) return `${parent}, on which it builds, holds no ${file} of disk ${device}`;
  }
  return null;
}

/** What `verify` found of a backup holds for all that stand on it. */
function withVerdicts(all: readonly Backup[]): Backup[] {
  const known = new Map(all.map((one) => [one.id, one]));
  return all.map((one) => {
    if (isDamaged(one)) return one;
    if (one.damage !== null) return { ...one, problem: one.damage, merging: null };
    const below = ancestorsOf(one, known).find((id) => known.get(id)?.damage != null);
    if (below === undefined) return one;
    return { ...one, problem: `${below}, on which it builds, is damaged`, merging: null };
  });
}

/**
 * Those of some targets, the oldest first. A target that is not there is told in a note, and the others are listed.
 * Throws "not_found" where the filter's instance is ambiguous.
 */
export async function listBackups(
  world: World,
  targets: readonly string[],
  { instance, type }: BackupFilter = {},
): Promise<BackupView[]> {
  const { backups, away } = await lookIn(world, targets);
  const [first] = away;
  if (first !== undefined && targets.length === 1) throw first;
  for (const { message } of away) world.report.note(message);
  const id = instance === undefined ? null : await instanceMeant(world, backups, instance);
  const of = backups.filter(({ manifest }) => instance === undefined || (id !== null && manifest?.instance.id === id));
  if (instance !== undefined && of.length === 0) noteFormer(world, backups, instance);
  return of
    .sort(byAge)
    .map(viewBackup)
    .filter((one) => type === undefined || one.type === type);
}

/** What there is in some targets. `away`: why those that are not there cannot be looked into. */
export async function lookIn(
  world: World,
  targets: readonly string[],
): Promise<{ readonly backups: Backup[]; readonly away: EstratoError[] }> {
  const backups: Backup[] = [];
  const away: EstratoError[] = [];
  for (const target of targets) {
    try {
      backups.push(...(await backupsIn(world, target)));
    } catch (error) {
      if (!(error instanceof EstratoError)) throw error;
      away.push(error);
    }
  }
  return { backups, away };
}

export function viewBackup({ id, target, manifest, instanceName, problem, merging, uses }: Backup): BackupView {
  const parents = manifest?.disks.map(({ parent }) => parent) ?? [];
  const parent = parents.find((one) => one !== null) ?? null;
  const sum = (of: "sizeBytes" | "fileBytes") => manifest?.disks.reduce((bytes, disk) => bytes + disk[of], 0) ?? 0;
  return {
    id,
    name: manifest?.name ?? null,
    type: manifest?.type ?? null,
    instance: instanceName,
    instance_id: manifest?.instance.id ?? null,
    status: problem === null ? "available" : merging != null ? "merging" : "damaged",
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
    schedule: manifest?.schedule ?? null,
    owner: manifest?.owner ?? null,
    used_by: usersOf({ uses }),
    disks:
      manifest?.disks.map(({ device, sizeBytes, parent: on }) => ({ device, size_bytes: sizeBytes, parent: on })) ?? [],
  };
}
