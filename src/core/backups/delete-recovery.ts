/**
 * The steps by which a backup goes, in an order in which each crash has an answer. What stands on it is merged down into its files, which moves
 * only the difference, and these files then take the names of those that were merged: the one above reads the same before, during and after
 * (until its file is replaced it masks all that is written below it).
 */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { secretOf } from "../graph/files.ts";
import type { Action } from "../model/action.ts";
import { FROZEN, WRITABLE } from "../modes.ts";
import { perform, type Step } from "../operation.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { dropKey, giveKey } from "./key.ts";
import { diskFile, folderOf, MANIFEST, NEXT_MANIFEST, readSmall, VOID_MARK } from "./layout.ts";
import { type BackupDisk, type Manifest, manifestText, parseManifest } from "./manifest.ts";
import { unchangedSums } from "./merged-sums.ts";
import { NOT_MOUNTED, readTarget } from "./targets.ts";
import { summedDisk, writeText } from "./write.ts";

/** What the journal remembers; the target holds the same in the mark. */
export interface DeleteData {
  readonly id: string;
  readonly target: string;
  /** The id in the target's marker: a folder that has another, or none, is not that target. */
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

/** From a backup to none. Each is repeatable; only forward. */
export function deleteSteps(world: World, data: DeleteData, passphraseFile: string | null): Step[] {
  const { id, target, child, devices, secret } = data;
  const folder = folderOf(target, id);
  const key = giveKey(world, secret, passphraseFile, id);
  const steps: Step[] = [
    ...(key.length === 0
      ? []
      : [{ id: "give-libvirt-passphrase", title: "Give libvirt the passphrase", actions: key }]),
    {
      id: "mark-void",
      title: "Mark it void",
      actions: [{ do: "write-file", path: `${folder}/${VOID_MARK}`, text: voidText(data) }],
    },
    {
      id: "forget-bookmark",
      title: "Forget its bookmark",
      run: () => world.store.update((draft) => void delete draft.bookmarks[id]),
    },
  ];
  if (child !== null && devices.length > 0) {
    const above = folderOf(target, child);
    steps.push(
      {
        id: "merge",
        title: "Merge what stands on it",
        actions: devices.flatMap((device) => mergeActions(folder, above, device, secret)),
      },
      { id: "prepare-manifest", title: "Prepare the manifest", run: () => prepareManifest(world, data) },
      ...finishSteps(data),
      {
        id: "remove-old-checksums",
        title: "Remove the old checksums",
        run: async () => {
          for (const action of await staleSums(world, above)) await world.host.perform(action);
        },
      },
    );
  }
  steps.push({ id: "remove", title: "Remove it", actions: removeActions(folder) });
  if (key.length > 0)
    steps.push({ id: "take-passphrase-away", title: "Take the passphrase away", actions: dropKey(secret) });
  return steps;
}

/** The manifest first: what is left of a folder that is half removed must not look like a backup. */
function removeActions(folder: string): Action[] {
  return [
    { do: "unlink", path: `${folder}/${MANIFEST}` },
    { do: "discard-folder", path: folder },
  ];
}

function voidText({ id, child, devices }: DeleteData): string {
  return `${JSON.stringify({ format: 1, id, child, devices })}\n`;
}

function mergeActions(folder: string, above: string, device: string, secret: string | null): Action[] {
  const [base, top] = [`${folder}/${diskFile(device)}`, `${above}/${diskFile(device)}`];
  return [
    { do: "set-mode", path: base, mode: WRITABLE },
    { do: "set-mode", path: top, mode: WRITABLE }, // qemu-img opens it for writing, though it writes nothing to it
    { do: "commit", top, topFormat: "qcow2", base, ...secretOf({ secret }) },
  ];
}

/** The merged files take the places of what was merged into them, and the manifest that knows them that of the old one. */
function finishSteps({ id, target, child, devices }: DeleteData): Step[] {
  if (child === null) return [];
  const [folder, above] = [folderOf(target, id), folderOf(target, child)];
  return [
    {
      id: "put-merged-files",
      title: "Put the merged files in place",
      actions: devices.flatMap((device): Action[] => [
        { do: "set-mode", path: `${folder}/${diskFile(device)}`, mode: FROZEN },
        {
          do: "move-file",
          from: `${folder}/${diskFile(device)}`,
          to: `${above}/${diskFile(device)}`,
          replace: true,
        },
      ]),
    },
    {
      id: "put-manifest",
      title: "Put the manifest in place",
      actions: [{ do: "move-file", from: `${above}/${NEXT_MANIFEST}`, to: `${above}/${MANIFEST}`, replace: true }],
    },
  ];
}

/** The manifest of the one above, as it will be: its merged disks stand where the one that goes stood. */
async function prepareManifest(world: World, { id, target, child, devices, secret }: DeleteData): Promise<void> {
  if (child === null) return;
  const [folder, above] = [folderOf(target, id), folderOf(target, child)];
  const [going, staying] = [await manifestIn(world, folder), await manifestIn(world, above)];
  const disks: BackupDisk[] = [];
  for (const disk of staying.disks) {
    const below = going.disks.find(({ device }) => device === disk.device);
    if (!devices.includes(disk.device) || below === undefined) {
      disks.push(disk);
      continue;
    }
    const path = `${folder}/${below.file}`;
    const known = await unchangedSums(world, folder, below, `${above}/${disk.file}`, secret);
    disks.push(await summedDisk(world, above, { ...disk, parent: below.parent }, id, { path, known }));
  }
  await writeText(world, `${above}/${NEXT_MANIFEST}`, manifestText({ ...staying, disks }));
}

async function manifestIn(world: World, folder: string): Promise<Manifest> {
  const where = `${folder}/${MANIFEST}`;
  const text = await readSmall(world, where);
  if (text === null) throw new EstratoError("integrity", `${where}: it is not there`);
  return parseManifest(text, where);
}

/** Always forward: from the mark on the one that goes is void. Where the target is not there, throws "host": it waits. */
async function recoverDeleteBackup(world: World, locks: HeldLocks, data: DeleteData): Promise<Outcome> {
  const { id, target, child } = data;
  if ((await readTarget(world, await world.store.read(), target)) !== data.marker) {
    // An empty mount point says nothing of what was in it.
    throw new EstratoError("host", `${target}: the backups that it held are not there`, { hint: NOT_MOUNTED });
  }
  const folder = folderOf(target, id);
  if ((await world.host.fileInfo(folder)) === null) {
    await perform(world, locks, dropKey(data.secret));
    return "forward";
  }
  if ((await world.host.fileInfo(`${folder}/${VOID_MARK}`)) === null) {
    // Not marked: nothing has been touched, unless it is being removed already.
    if ((await world.host.fileInfo(`${folder}/${MANIFEST}`)) !== null) {
      await perform(world, locks, dropKey(data.secret));
      return "back";
    }
  }
  await world.store.update((draft) => void delete draft.bookmarks[id]);
  if (child !== null) await finishMerge(world, locks, data);
  await perform(world, locks, [...removeActions(folder), ...dropKey(data.secret)]);
  return "forward";
}

/** A prepared manifest says that every merge was through; before that each is repeated. */
async function finishMerge(world: World, locks: HeldLocks, data: DeleteData): Promise<void> {
  const { id, target, child, devices } = data;
  if (child === null) return;
  const [folder, above] = [folderOf(target, id), folderOf(target, child)];
  const is = async (path: string) => (await world.host.fileInfo(path)) !== null;
  const prepared = await is(`${above}/${NEXT_MANIFEST}`);
  const waiting: string[] = [];
  for (const device of devices) if (await is(`${folder}/${diskFile(device)}`)) waiting.push(device);
  if (!prepared) {
    if (waiting.length === 0) return; // all is in place
    await perform(
      world,
      locks,
      devices.flatMap((device) => mergeActions(folder, above, device, data.secret)),
    );
    await prepareManifest(world, data);
  }
  for (const { actions } of finishSteps({ ...data, devices: waiting })) await perform(world, locks, actions ?? []);
  await perform(world, locks, await staleSums(world, above));
}

/** Sums that no manifest names any more. */
async function staleSums(world: World, folder: string): Promise<Action[]> {
  const { disks } = await manifestIn(world, folder);
  const named = new Set(disks.map(({ sums }) => sums.file));
  const names = (await world.host.listFolder(folder)).filter((name) => name.endsWith(".sums") && !named.has(name));
  return names.map((name): Action => ({ do: "unlink", path: `${folder}/${name}` }));
}
