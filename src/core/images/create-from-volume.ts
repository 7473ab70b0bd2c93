import { NO_FIRMWARE } from "../firmware.ts";
import type { Image } from "../model/state.ts";
import { requireName } from "../names.ts";
import { run } from "../operations/operation.ts";
import type { PlanView, Step } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { createVolumeSnapshotLocked } from "../snapshots/create-volume.ts";
import { volumeLabel, withVolume } from "../volumes/find.ts";
import { becomeImage, storedImage } from "./create-from-instance.ts";
import { type CreateImageData, createImageKind } from "./create-recovery.ts";
import { imageNameLock, requireFreeImageName } from "./names.ts";
import { type NewImageOptions, newImage } from "./record.ts";

export interface CreateFromVolumeOptions extends NewImageOptions {
  readonly volume: string;
}

/**
 * Makes an image of type "snapshot" of what the volume holds now, quiesced where its instance's agent answers.
 * Afterwards only the image remains of the snapshot that was taken for it. Throws what taking it throws, and "usage" or
 * "conflict" for the name. A dry run returns the plan.
 */
export async function createImageFromVolume(world: World, options: CreateFromVolumeOptions): Promise<Image | PlanView> {
  requireName("image", options.name);
  const id = world.ids.next("img");
  const body: Parameters<typeof withVolume<Image | PlanView>>[2] = async (locks, state, volume) => {
    requireFreeImageName(state, options.name);
    const source = { kind: "volume", id: volume.id, name: volumeLabel(state, volume) } as const;
    const nothing = { disks: [], definition: null, ...NO_FIRMWARE, uefi: false }; // known once the snapshot is there
    const image = newImage(world, options, { id, type: "snapshot", source, ...nothing });
    const name = `image-${id}`;
    const data: CreateImageData = {
      image: { ...image, minDiskBytes: options.minDiskBytes ?? 0 }, // known once the snapshot is there
      layer: null,
      files: [],
      through: { instance: null, volume: volume.id, snapshot: name },
    };
    const request = { quiesce: "try", description: null, properties: {}, expiresAt: null, protect: false } as const;
    const take = (within: World) =>
      createVolumeSnapshotLocked(within, locks, state, volume, { ...request, volume: volume.id, name });
    const become: Step = {
      id: "become-image",
      title: "Let the snapshot become the image",
      run: () => becomeImage(world, data),
    };
    const first: Step = { id: "take-snapshot", title: "Take a snapshot", child: take };
    const result = () => storedImage(world, image);
    return run(world, locks, { kind: createImageKind, target: options.name, data, steps: [first, become], result });
  };
  return withVolume(world, options.volume, body, [id, imageNameLock(options.name)]);
}
