/** What a backup can be restored to. */
import { copyCopies, copyNames } from "../firmware.ts";
import { type CreateInstanceOptions, createInstance } from "../instances/create.ts";
import { recordedDefinition } from "../instances/definition-file.ts";
import { findInstance } from "../instances/find.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import type { Instance, Snapshot, Volume } from "../model/state.ts";
import type { PlanView } from "../operations/steps.ts";
import { isPlan } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import type { Reverted } from "../snapshots/revert.ts";
import { requireInPlace, requireNewInstance, requireNewVolume, requireReturn, volumeFor } from "./may-restore.ts";
import { type Restored, type RestoreRequest, restore } from "./restore.ts";

/** Where it is looked for, and what of it. */
export interface RestoreFrom {
  readonly targets: readonly string[];
  readonly backup: string;
  readonly disks: readonly string[];
  /** What opens an encrypted one. */
  readonly passphraseFile: string | null;
}

/**
 * A new instance, with a UUID, addresses and a seed of its own, as one of an image has. What `options` leave open is as
 * it was: key (where this store knows it), vCPUs, memory and the flavor's name. With `as` (from `returning`) the one
 * that it was taken of.
 */
export function restoreInstance(
  world: World,
  from: RestoreFrom,
  options: Omit<CreateInstanceOptions, "source">,
): Promise<Instance | PlanView> {
  return instanceOf(world, { ...from, locks: () => [] }, options);
}

/**
 * The same, which boots at once from the backup where it lies, and reads there what `pullInstance` has not pulled in
 * yet.
 */
export function bootInstance(
  world: World,
  from: RestoreFrom,
  options: Omit<CreateInstanceOptions, "source" | "loan">,
): Promise<Instance | PlanView> {
  return instanceOf(world, { ...from, locks: () => [], boots: options.name }, options);
}

async function instanceOf(
  world: World,
  request: RestoreRequest,
  options: Omit<CreateInstanceOptions, "source">,
): Promise<Instance | PlanView> {
  const { as } = options;
  const definition = { trust: options.trustDefinition ?? null, instance: options.name, isItself: as !== undefined };
  if (as !== undefined) {
    await requireReturn(world, options, as);
    return restore(world, { ...request, definition, instance: as.uuid }, (within, { image, loan }) =>
      createInstance(within, {
        ...options,
        fromBackup: true,
        source: { kind: "image", target: image.id },
        ...(loan === null ? {} : { loan }),
      }),
    );
  }
  await requireNewInstance(world, options);
  return restore(world, { ...request, definition }, async (within, { image, loan, manifest }) => {
    const { flavors, keypairs } = await world.store.read();
    const { vcpus, ramBytes, keyName, flavor } = manifest.instance;
    const asItWas = options.flavor === null && options.vcpus === null && options.ramBytes === null;
    const known = keyName !== null && keypairs[keyName] !== undefined ? keyName : null;
    const made = await createInstance(within, {
      ...options,
      fromBackup: true,
      source: { kind: "image", target: image.id },
      ...(loan === null ? {} : { loan }),
      keyName: options.keyName ?? known,
      ...(options.flavor === null ? { vcpus: options.vcpus ?? vcpus, ramBytes: options.ramBytes ?? ramBytes } : {}),
    });
    if (asItWas && flavor !== null && flavors[flavor] !== undefined && !isPlan(made)) {
      await world.store.update((draft) => {
        const record = draft.instances[made.id];
        if (record !== undefined) record.flavor = flavor;
      });
    }
    return made;
  });
}

/**
 * One disk, as a volume that is attached to nothing. Throws "usage" where the backup has several and none is chosen.
 */
export async function restoreVolume(world: World, from: RestoreFrom, name: string): Promise<Volume | PlanView> {
  await requireNewVolume(world, from, name);
  return restore(world, { ...from, locks: () => [] }, async (within, { image }) => {
    const { createVolume } = await import("../volumes/create.ts");
    const source = { kind: "image", target: image.id, disk: null } as const;
    return createVolume(within, { name, source, sizeBytes: null });
  });
}

/**
 * The instance that it was taken of goes on from it: a revert, with what was there kept as an automatic snapshot. Its
 * disks that are not in the backup stay as they are. Throws "conflict" where a volume of the backup is no longer
 * attached, whatever stands at its device.
 */
export async function restoreInPlace(
  world: World,
  from: RestoreFrom,
  options: { readonly keepMs: number },
): Promise<Reverted | PlanView> {
  await requireInPlace(world, from);
  const snapshot = world.ids.next("snap");
  const request = { ...from, locks: ({ instance }: Restored["manifest"]) => [instance.id], snapshot };
  return restore(world, request, async (within, restored) => {
    const { revertLocked } = await import("../snapshots/revert.ts");
    await recordSnapshot(within, restored, snapshot);
    const done = await revertLocked(within, restored.locks, snapshot, null, { discard: false, keepMs: options.keepMs });
    return { ...done, snapshot: restored.manifest.id } as Reverted;
  });
}

/** The image as a snapshot of the instance: each disk of the volume that the backup was taken of. */
async function recordSnapshot(world: World, { image, manifest }: Restored, id: string): Promise<void> {
  const uuid = manifest.instance.id;
  const { status } = await findInstance(world, uuid);
  const text = image.definition === null ? null : await recordedDefinition(world, image.definition);
  if (text !== null) await world.store.writeRecord(`${id}.xml`, text);
  const copies = copyNames(id, image);
  for (const { actions } of copyCopies(world, image, copies)) {
    for (const action of actions ?? []) await world.host.perform(action);
  }
  await world.store.update((draft) => {
    const taken = new Map(manifest.disks.map((disk) => [disk.device, disk]));
    const disks: Snapshot["disks"] = image.disks.map(({ device, layer, sizeBytes }) => {
      const { volume = "" } = taken.get(device) ?? {};
      const { id: same, device: now } = volumeFor(draft, { id: uuid, name: status.name }, { device, volume });
      return { device: now ?? device, layer, sizeBytes, volume: same };
    });
    draft.snapshots[id] = {
      id,
      name: `restore-${manifest.id}`,
      type: "instance",
      instance: uuid,
      volume: null,
      parent: null,
      automatic: true,
      disks,
      excluded: [...volumesOf(draft, uuid).keys()].filter((device) => !disks.some((disk) => disk.device === device)),
      consistency: manifest.consistency,
      memory: null,
      definition: text === null ? null : `${id}.xml`,
      ...copies,
      uefi: image.uefi,
      vcpus: manifest.instance.vcpus,
      ramBytes: manifest.instance.ramBytes,
      flavor: manifest.instance.flavor,
      owner: world.user,
      createdAt: manifest.createdAt,
      expiresAt: null,
      protected: false,
      description: null,
      properties: {},
    };
  });
}
