/** The record of a new image, whatever it is made from. */
import type { Image, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { requireFreeImageName } from "./names.ts";

/** What a person may say about a new image. */
export interface NewImageOptions {
  readonly name: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly minDiskBytes: number | null; // null: as large as its first disk
  readonly minRamBytes: number | null; // null: no demand
  readonly protect: boolean;
}

/** Where it comes from, and what it consists of. */
export interface ImageOrigin {
  readonly id: string;
  readonly type: Image["type"];
  readonly source: Image["source"];
  readonly disks: Image["disks"];
  readonly definition: string | null;
  readonly nvram: string | null;
  readonly tpm: string | null;
  readonly uefi: boolean;
}

/** Stores nothing. */
export function newImage(world: World, options: NewImageOptions, origin: ImageOrigin): Image {
  return {
    ...origin,
    name: options.name,
    visibility: "private",
    minDiskBytes: options.minDiskBytes ?? origin.disks[0]?.sizeBytes ?? 0,
    minRamBytes: options.minRamBytes ?? 0,
    owner: world.user,
    createdAt: world.clock.now().toISOString(),
    protected: options.protect,
    properties: { ...options.properties },
  };
}

/** Inside a transaction. Throws "conflict" where the name has been taken since it was looked at. */
export function addImage(draft: State, image: Image): void {
  requireFreeImageName(draft, image.name, image.id);
  draft.images[image.id] = image;
}
