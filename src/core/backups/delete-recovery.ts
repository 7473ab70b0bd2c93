/**
 * The steps by which a backup goes, in an order in which each crash has an answer. What stands on it is merged down
 * into its files, which moves only the difference, and these files then take the names of those that were merged: the
 * one above reads the same before, during and after (until its file is replaced it masks all that is written below it).
 */
import * as v from "valibot";
import { EstratoError, WrongPassphrase } from "../../errors.ts";
import type { Action } from "../model/action.ts";
import { perform, type Step } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { dropBookmark } from "./bookmarks.ts";
import { dropKey, giveKey, takeKey } from "./key.ts";
import { type BackupDisk, type Manifest, manifestText, readManifest } from "./manifest.ts";
import { movedBy, unchangedSums } from "./merged-sums.ts";
import { type DiskMerge, requireAsWritten } from "./merges.ts";
import { diskFile, MANIFEST, NEXT_MANIFEST, sumsFile, VOID_NOTE } from "./parts.ts";
import { BLOCK_BYTES, parseSums } from "./sums.ts";
import { emptied, namesOf, requireTarget } from "./targets/identity.ts";
import { openTarget } from "./targets/open.ts";
import type { BackupTarget, Merging, StoredBackup } from "./targets/target.ts";
import { summedDisk, writeText } from "./write.ts";

/** What the journal remembers; the target holds the same in the void note. */
export interface DeleteData {
  readonly id: string;
  readonly target: string;
  /** The id in the target's marker: what has another, or none, is not that target. */
  readonly marker: string | null;
  /** What stands on it, and with which disks. */
  readonly child: string | null;
  readonly devices: readonly string[];
  /** libvirt's secret for the time of it, where they are encrypted. */
  readonly secret: string | null;
}

export const deleteBackupKind: Kind<DeleteData> = {
  name: "backup.delete",
  version: 1,
  data: v.object({
    id: v.string(),
    target: v.string(),
    marker: v.nullable(v.string()),
    child: v.nullable(v.string()),
    devices: v.array(v.string()),
    secret: v.nullable(v.string()),
  }),
  recover: recoverDeleteBackup,
};

const COMPARE = "Compare what is merged with its checksums";

/** From a backup to none. Each is repeatable; only forward. */
export function deleteSteps(
  world: World,
  locks: HeldLocks,
  data: DeleteData,
  passphraseFile: string | null,
  merges: readonly DiskMerge[],
  store: string | null, // the id of this one, for the note
): Step[] {
  const { id, child, secret } = data;
  const target = openTarget(world, data.target);
  const going = target.backup(id);
  const merging = child === null || data.devices.length === 0 ? null : { ...data, child };
  const compare = async (of: MergeData) => requireAsWritten(world, locks, target, of, merges);
  const note = going.writeText(VOID_NOTE, voidText(data, store));
  const mark = { id: "mark-void", title: "Mark it void" };
  const steps: Step[] = [
    ...giveKey(world, secret, passphraseFile, id),
    ...(merging === null ? [] : [{ id: "compare", title: COMPARE, run: () => compare(merging) }]),
    child === null ? { ...mark, shown: note, run: () => noteIfRoom(world, locks, note) } : { ...mark, actions: note },
    {
      id: "forget-bookmark",
      title: "Forget its bookmark",
      run: () => forgetBookmark(world, data),
    },
  ];
  if (merging !== null) steps.push(...mergeSteps(world, target, merging, merges));
  return [...steps, { id: "remove", title: "Remove it", actions: going.remove() }, ...takeKey(secret)];
}

/**
 * Where the target is full, one that nothing stands on goes without the note, or nothing could make room there: its
 * manifest is the first that is removed, and whatever is left without one is no backup.
 */
async function noteIfRoom(world: World, locks: HeldLocks, note: readonly Action[]): Promise<void> {
  try {
    await perform(world, locks, note);
  } catch (error) {
    if (!["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

async function forgetBookmark(world: World, { id, target }: DeleteData): Promise<void> {
  const names = await namesOf(world, await world.store.read(), target);
  await world.store.update((draft) => dropBookmark(draft, id, names));
}

/** Where something stands on what goes. */
type MergeData = DeleteData & { readonly child: string };

function mergeSteps(world: World, target: BackupTarget, data: MergeData, merges: readonly DiskMerge[]): Step[] {
  const child = target.backup(data.child);
  const disks = merges.map(({ above }) => above);
  const prepared = [...disks.map(({ device }) => sumsFile(device, data.id)), NEXT_MANIFEST];
  return [
    { id: "merge", title: "Merge what stands on it", actions: mergeActions(requireMerging(target), data) },
    {
      id: "prepare-manifest",
      title: "Prepare the manifest",
      shown: prepared.flatMap((file) => child.writeText(file, "")),
      run: () => prepareManifest(world, target, data, merges),
    },
    ...finishSteps(requireMerging(target), data),
    {
      id: "remove-old-checksums",
      title: "Remove the old checksums",
      shown: disks.flatMap(({ sums }) => child.removeFile(sums.file)),
      run: async () => {
        for (const action of await staleSums(target.backup(data.child))) await world.host.perform(action);
      },
    },
  ];
}

/** Throws "conflict" where the target can merge nothing. */
export function requireMerging({ name, merging }: BackupTarget): Merging {
  if (merging !== null) return merging;
  throw new EstratoError("conflict", `${name}: what builds on a backup cannot be merged with it there`, {
    hint: "Delete what builds on it first.",
  });
}

function voidText({ id, child, devices }: DeleteData, store: string | null): string {
  return `${JSON.stringify({ format: 1, id, child, devices, store })}\n`;
}

function mergeActions(merging: Merging, { id, child, devices, secret }: MergeData): Action[] {
  return devices.flatMap((device) => merging.merge(id, child, diskFile(device), secret));
}

/**
 * The merged files take the places of what was merged into them, and the manifest that knows them that of the old one.
 */
function finishSteps(merging: Merging, { id, child, devices }: MergeData): Step[] {
  return [
    {
      id: "put-merged-files",
      title: "Put the merged files in place",
      actions: devices.flatMap((device) => merging.putInPlace(id, child, diskFile(device))),
    },
    { id: "put-manifest", title: "Put the manifest in place", actions: merging.putManifestInPlace(child) },
  ];
}

/**
 * The manifest of the one above, as it will be: its merged disks stand where the one that goes stood. `merges`: as far
 * as they are known; the files tell as well.
 */
async function prepareManifest(
  world: World,
  target: BackupTarget,
  { id, child, devices, secret }: MergeData,
  merges: readonly DiskMerge[] = [],
): Promise<void> {
  const [going, above] = [target.backup(id), target.backup(child)];
  const [old, staying] = [await manifestOf(going), await manifestOf(above)];
  const disks: BackupDisk[] = [];
  for (const disk of staying.disks) {
    const below = old.disks.find(({ device }) => device === disk.device);
    if (!devices.includes(disk.device) || below === undefined) {
      disks.push(disk);
      continue;
    }
    const moved =
      merges.find((one) => one.above.device === disk.device)?.moved ??
      (await movedBy(world, above.image(disk.file, secret), going.image(below.file, secret)));
    const sums = parseSums((await going.readText(below.sums.file)) ?? "", going.nameOf(below.sums.file));
    const known = sums.blockBytes === BLOCK_BYTES ? unchangedSums(sums, moved) : [];
    const from = { files: going, file: below.file };
    disks.push(await summedDisk(world, above, { ...disk, parent: below.parent }, id, { from, known }));
  }
  await writeText(world, above, NEXT_MANIFEST, manifestText({ ...staying, disks }));
}

async function manifestOf(backup: StoredBackup): Promise<Manifest> {
  const manifest = await readManifest(backup);
  if (manifest === null) throw new EstratoError("integrity", `${backup.nameOf(MANIFEST)}: it is not there`);
  return manifest;
}

/**
 * Always forward: from the void note on the one that goes is void. Where the target is not there, throws "host": it
 * waits.
 */
export async function recoverDeleteBackup(world: World, locks: HeldLocks, data: DeleteData): Promise<Outcome> {
  const { id, child } = data;
  const target = openTarget(world, data.target);
  // An empty mount point says nothing of what was in it.
  if ((await requireTarget(world, await world.store.read(), data.target)) !== data.marker) throw emptied(target);
  const going = target.backup(id);
  if (!(await going.isThere())) {
    await perform(world, locks, dropKey(data.secret));
    return "forward";
  }
  if ((await going.look(VOID_NOTE)) === null) {
    // Not marked: nothing has been touched, unless it is being removed already.
    if ((await going.look(MANIFEST)) !== null) {
      await perform(world, locks, dropKey(data.secret));
      return "back";
    }
  }
  await forgetBookmark(world, data);
  if (child !== null) {
    await finishMerge(world, locks, target, { ...data, child }).catch((cause: unknown) => {
      if (!(cause instanceof WrongPassphrase)) throw cause;
      const line = `estrato backup delete ${id} --target ${data.target} --passphrase-file FILE`;
      throw new EstratoError("host", `backup ${id}: its deletion was begun with a passphrase that does not open it`, {
        hint: `End it with the right one: ${line}.`,
        cause,
      });
    });
  }
  await perform(world, locks, [...going.remove(), ...dropKey(data.secret)]);
  return "forward";
}

/** A prepared manifest says that every merge was through; before that each is repeated. */
async function finishMerge(world: World, locks: HeldLocks, target: BackupTarget, data: MergeData): Promise<void> {
  const merging = requireMerging(target);
  const [going, above] = [target.backup(data.id), target.backup(data.child)];
  const prepared = (await above.look(NEXT_MANIFEST)) !== null;
  const waiting: string[] = [];
  for (const device of data.devices) if ((await going.look(diskFile(device))) !== null) waiting.push(device);
  if (!prepared) {
    if (waiting.length === 0) return; // all is in place
    await perform(world, locks, mergeActions(merging, data));
    await prepareManifest(world, target, data);
  }
  for (const { actions } of finishSteps(merging, { ...data, devices: waiting }))
    await perform(world, locks, actions ?? []);
  await perform(world, locks, await staleSums(above));
}

/** Removes sums that no manifest names any more. */
async function staleSums(backup: StoredBackup): Promise<Action[]> {
  const { disks } = await manifestOf(backup);
  const named = new Set(disks.map(({ sums }) => sums.file));
  const stale = (await backup.list()).filter((file) => file.endsWith(".sums") && !named.has(file));
  return stale.flatMap((file) => backup.removeFile(file));
}
