/**
 * `backup create`: a moment of an instance's disks, copied into a folder of its own that can be read without this
 * store.
 */
import { EstratoError, WrongPassphrase } from "../../errors.ts";
import { coveredDisks, planAdoption } from "../instances/adopt.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import { COLLECTED_LATER } from "../layers/freed.ts";
import type { DomainStatus } from "../model/host.ts";
import type { State } from "../model/state.ts";
import { requireName } from "../names.ts";
import { run } from "../operations/operation.ts";
import { isPlan, type PlanView, type Step } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";
import { createSnapshotLocked } from "../snapshots/create.ts";
import { findToChange } from "../volumes/take-in.ts";
import { bookmarkOf } from "./bookmarks.ts";
import { type Base, copiedBytes, type DiskMoment, planCopies, requireEncryption } from "./copies.ts";
import { type BackupData, createBackupKind, snapshotOf } from "./create-recovery.ts";
import { copySteps, recordsShown } from "./create-steps.ts";
import { requireWhole } from "./find.ts";
import { identityOf } from "./identity.ts";
import { planKey } from "./key.ts";
import { type BackupView, backupsIn, backupTaken, viewBackup } from "./list.ts";
import type { Identity, Manifest } from "./manifest.ts";
import { markTarget, namesOf, requireTarget } from "./targets/identity.ts";
import { openTarget } from "./targets/open.ts";

export interface CreateBackupOptions {
  readonly instance: string;
  readonly target: string; // its name
  readonly name: string | null;
  readonly type: string; // manual, daily, …
  readonly incremental: boolean;
  readonly compress: boolean;
  readonly quiesce: "try" | "require" | "off";
  readonly disks: readonly string[]; // devices; none: all
  /** Encrypts it with the passphrase that this file holds; null: no encryption. Not together with `compress`. */
  readonly passphraseFile: string | null;
  /** The schedule that takes it, by its id. */
  readonly schedule?: string;
}

/**
 * Takes a backup, under the locks of the instance and the target, which the caller holds. Afterwards it is in the
 * target, whole and on the disk, and the layers that it was taken from are bookmarked; the instance was never paused
 * for the copy. Throws what a snapshot throws, and "host" where the target is not there or full; nothing of a backup
 * that failed is left. A dry run returns the plan.
 */
export async function createBackupLocked(
  world: World,
  locks: HeldLocks,
  uuid: string,
  options: CreateBackupOptions,
): Promise<BackupView | PlanView> {
  if (options.name !== null) requireName("backup", options.name);
  requireName("backup type", options.type);
  const { target } = options;
  const { status } = await findToChange(world, locks, uuid);
  const left = leftOut(status, options.disks);
  const { state } = await planAdoption(world, status, left);
  await requireTarget(world, state, target);
  const base = await chooseBase(world, state, status, options);
  const id = world.ids.next("bak");
  // A guest that is booted from a backup runs as another user there, who must get through to it.
  const passable = (await world.host.capabilities()).qemuUser !== null;
  const planned = planCopies(state, momentOf(state, uuid, left), base);
  const store = state.storeId ?? world.ids.uuid();
  const secret = await planKey(world, options.passphraseFile);
  requireEncryption(state, momentOf(state, uuid, left), secret !== null, status.name);
  const identity = await identityOf(world, state, status);
  const bytes = await copiedBytes(world, state, planned.copies);
  const data = dataOf(world, state, status, options, { id, secret, store, identity, bytes });
  const how = { passable, compress: options.compress, passphraseFile: options.passphraseFile, bytes };
  const place = openTarget(world, target);
  await place.requireWritable();
  await place.requireSpace(bytes, `backup of ${status.name}`);
  const take = (within: World) =>
    createSnapshotLocked(within, locks, uuid, {
      instance: uuid,
      name: data.through.snapshot,
      quiesce: options.quiesce,
      excludeDisks: left,
      description: null,
      properties: {},
      expiresAt: null,
      protect: false,
    });
  let now = { state, copies: planned.copies };
  const steps: Step[] = [
    {
      id: "take-snapshot",
      title: "Take a snapshot",
      child: async (within) => {
        const taken = await take(within);
        if (isPlan(taken)) return taken;
        const then = await world.store.read();
        now = { state: then, copies: planCopies(then, snapshotOf(then, data).disks, base).copies };
        return taken;
      },
    },
    ...copySteps(world, data, how, () => now, world.dryRun ? await recordsShown(world, state, status, data) : []),
  ];
  return run<BackupData, BackupView>(world, locks, {
    kind: createBackupKind,
    target: status.name,
    data,
    steps,
    notes: [...planned.notes, COLLECTED_LATER],
    begin: async () => {
      for (const note of planned.notes) world.report.note(`${status.name}: ${note}`);
      await markTarget(world, target, store);
    },
    result: async () => viewBackup(requireWhole(await backupTaken(world, target, id))),
  });
}

/** The devices that are not to be in it. Throws "usage" for one that the instance does not have. */
function leftOut(status: DomainStatus, wanted: readonly string[]): string[] {
  const devices = coveredDisks(status).map(({ device }) => device);
  const unknown = wanted.find((device) => !devices.includes(device));
  if (unknown !== undefined) {
    throw new EstratoError("usage", `instance ${status.name}: it has no disk ${unknown}`, {
      hint: `Its disks: ${devices.join(", ")}.`,
    });
  }
  return wanted.length === 0 ? [] : devices.filter((device) => !wanted.includes(device));
}

/** The disks as they are now: a snapshot freezes these very layers. */
function momentOf(state: State, uuid: string, left: readonly string[]): DiskMoment[] {
  const volumes = [...volumesOf(state, uuid)].filter(([device]) => !left.includes(device));
  return volumes.map(([device, { id, head }]) => ({ device, volume: id, layer: head }));
}

/** What a delta can build on, with a note where it was asked for and there is nothing. */
async function chooseBase(
  world: World,
  state: State,
  status: DomainStatus,
  { incremental, target, passphraseFile }: CreateBackupOptions,
): Promise<Base | null> {
  if (!incremental) return null;
  const names = await namesOf(world, state, target);
  const bookmark = names.map((name) => bookmarkOf(state, status.uuid, name)).find((one) => one !== null) ?? null;
  const before = bookmark === null ? undefined : (await backupsIn(world, target)).find(({ id }) => id === bookmark.id);
  const manifest = before?.problem === null ? before.manifest : null;
  const alike = manifest?.encrypted === (passphraseFile !== null);
  if (bookmark !== null && manifest !== null && alike) {
    await requireOpens(world, target, manifest, passphraseFile);
    return { bookmark, manifest };
  }
  const what = before === undefined ? "no longer there" : manifest === null ? "damaged" : "not encrypted alike";
  const why =
    bookmark === null ? `there is no backup in ${target} to build on` : `the backup before, ${bookmark.id}, is ${what}`;
  world.report.note(`${status.name}: ${why}: this one is full`);
  return null;
}

/** Throws "host" where it is encrypted with another passphrase: nobody could open what builds on it with one alone. */
async function requireOpens(
  world: World,
  target: string,
  { id, disks }: Manifest,
  passphraseFile: string | null,
): Promise<void> {
  const [disk] = disks; // all of them have the same
  if (passphraseFile === null || disk === undefined) return;
  const image = openTarget(world, target).backup(id).image(disk.file);
  try {
    await world.host.ownExtents({ ...image, passphraseFile });
  } catch (cause) {
    if (!(cause instanceof WrongPassphrase)) throw cause;
    const why = `the passphrase in ${passphraseFile} does not open it, on which this one is to build`;
    const hint = "Name the file that holds it; or take a full one with the new passphrase once: without --incremental.";
    throw new EstratoError("host", `backup ${id}: ${why}`, { hint, cause });
  }
}

function dataOf(
  world: World,
  state: State,
  status: DomainStatus,
  { target, name, type, compress, schedule }: CreateBackupOptions,
  {
    id,
    secret,
    store,
    identity,
    bytes,
  }: {
    readonly id: string;
    readonly secret: string | null;
    readonly store: string;
    readonly identity: Identity;
    readonly bytes: number;
  },
): BackupData {
  const { vcpus, ramBytes } = status.inactive;
  const record = state.instances[status.uuid];
  return {
    id,
    target,
    part: openTarget(world, target).unfinishedName(id, store),
    through: { instance: status.uuid, snapshot: `backup-${id}` },
    secret,
    bytes,
    content: {
      name,
      type,
      instance: {
        id: status.uuid,
        name: status.name,
        vcpus,
        ramBytes,
        flavor: record?.flavor ?? null,
        keyName: record?.keyName ?? null,
      },
      identity,
      ...(schedule === undefined ? {} : { schedule }),
      owner: world.user,
      compressed: compress,
    },
  };
}
