/** `image create --from-instance`: a snapshot is taken, and becomes the image. No data moves; the instance runs on. */
import { EstratoError } from "../../errors.ts";
import { NO_FIRMWARE } from "../firmware.ts";
import { findInstance } from "../instances/find.ts";
import type { Image, State } from "../model/state.ts";
import { requireName } from "../names.ts";
import { run } from "../operations/operation.ts";
import type { PlanView, Step } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { World } from "../ports.ts";
import { type CreateSnapshotOptions, createSnapshotLocked } from "../snapshots/create.ts";
import { dropSnapshots } from "../snapshots/drop.ts";
import { type CreateImageData, createImageKind, snapshotThrough } from "./create-recovery.ts";
import { imageNameLock, requireFreeImageName } from "./names.ts";
import { addImage, type NewImageOptions, newImage } from "./record.ts";

export interface CreateFromInstanceOptions extends NewImageOptions {
  readonly instance: string; // UUID or name
  readonly excludeDisks: readonly string[]; // devices
}

/**
 * Makes an image of type "snapshot" of what the instance's disks hold now, quiesced where its agent answers.
 * Afterwards only the image remains of the snapshot that was taken for it: both or neither, whatever happens in
 * between. Throws what taking a snapshot throws, and "usage" or "conflict" for the name. A dry run returns the plan.
 */
export async function createImageFromInstance(
  world: World,
  options: CreateFromInstanceOptions,
): Promise<Image | PlanView> {
  requireName("image", options.name);
  const { status } = await findInstance(world, options.instance);
  const id = world.ids.next("img");
  return withLocks(world, [id, imageNameLock(options.name), status.uuid], async (locks) => {
    requireFreeImageName(await world.store.read(), options.name);
    const data = plan(world, id, options, status.uuid, status.name);
    const request = snapshotRequest(options, status.uuid, `image-${id}`);
    const take = (within: World) => createSnapshotLocked(within, locks, status.uuid, request);
    const become: Step = {
      id: "become-image",
      title: "Let the snapshot become the image",
      run: () => becomeImage(world, data),
    };
    const first: Step = { id: "take-snapshot", title: "Take a snapshot", child: take };
    const result = () => storedImage(world, data.image);
    return run(world, locks, { kind: createImageKind, target: data.image.name, data, steps: [first, become], result });
  });
}

/** Throws "integrity" where it is not there. */
export async function storedImage(world: World, { id, name }: Image): Promise<Image> {
  const stored = (await world.store.read()).images[id];
  if (stored === undefined) throw new EstratoError("integrity", `image ${name}: it was not recorded`);
  return stored;
}

function snapshotRequest(options: CreateFromInstanceOptions, uuid: string, name: string): CreateSnapshotOptions {
  return {
    instance: uuid,
    name,
    quiesce: "try",
    excludeDisks: options.excludeDisks,
    description: null,
    properties: {},
    expiresAt: null,
    protect: false,
  };
}

function plan(
  world: World,
  id: string,
  options: CreateFromInstanceOptions,
  uuid: string,
  instanceName: string,
): CreateImageData {
  const image = newImage(world, options, {
    id,
    type: "snapshot",
    source: { kind: "instance", id: uuid, name: instanceName },
    disks: [],
    definition: null,
    ...NO_FIRMWARE,
    uefi: false, // known once the snapshot is there
  });
  const minDiskBytes = options.minDiskBytes ?? 0; // known once the snapshot is there
  return {
    image: { ...image, minDiskBytes },
    layer: null,
    files: [],
    through: { instance: uuid, snapshot: `image-${id}` },
  };
}

/**
 * In one transaction the image takes over the snapshot's layers and the files that hold its definition and what its
 * firmware kept, and the snapshot goes.
 */
export async function becomeImage(world: World, data: CreateImageData): Promise<void> {
  await world.store.update((draft: State) => {
    const snapshot = snapshotThrough(draft, data.through);
    if (snapshot === null) throw new EstratoError("integrity", `image ${data.image.name}: its snapshot has gone`);
    const disks: Image["disks"] = snapshot.disks.map(({ device, layer, sizeBytes }) => ({ device, layer, sizeBytes }));
    addImage(draft, {
      ...data.image,
      disks,
      minDiskBytes: data.image.minDiskBytes === 0 ? (disks[0]?.sizeBytes ?? 0) : data.image.minDiskBytes,
      definition: snapshot.definition,
      nvram: snapshot.nvram,
      tpm: snapshot.tpm,
      uefi: snapshot.uefi,
    });
    dropSnapshots(draft, [snapshot.id]);
  });
}
