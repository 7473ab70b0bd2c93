/** Images as people and programs are shown them. */
import { compareAges } from "../../order.ts";
import type { Image, State } from "../model/state.ts";
import type { SharedImage } from "../sharing/catalogue.ts";

/** CLI.md, "JSON": the keys are these, in snake_case. */
export interface ImageView {
  readonly id: string;
  readonly name: string;
  readonly type: Image["type"];
  readonly owner: string;
  readonly visibility: Image["visibility"];
  readonly sharedWith: readonly string[]; // users; only its owner is told
  readonly status: "active" | "error";
  readonly disks: readonly { readonly device: string; readonly sizeBytes: number }[];
  readonly sizeBytes: number; // of all disks, virtual
  readonly minDiskBytes: number;
  readonly minRamBytes: number;
  readonly source: Image["source"] | null; // null: somebody else's
  readonly download: NonNullable<Image["download"]> | null; // null: it was not downloaded, or is somebody else's
  readonly createdAt: string;
  readonly protected: boolean;
  readonly properties: Readonly<Record<string, string>>;
}

export interface ImageSelection {
  readonly owner: string | null; // null: everybody's
  readonly type: string | null;
}

/** Those in our store, and `shared`, the oldest first. */
export function listImages(state: State, selection: ImageSelection, shared: readonly SharedImage[] = []): ImageView[] {
  return [...Object.values(state.images).map((image) => viewImage(state, image)), ...shared.map(viewShared)]
    .filter((image) => selection.owner === null || image.owner === selection.owner)
    .filter((image) => selection.type === null || image.type === selection.type)
    .sort(compareAges);
}

/** One of somebody else's: what it was made from is not told, nor with whom else it is shared. */
export function viewShared(image: SharedImage): ImageView {
  const { id, name, type, owner, visibility, minDiskBytes, minRamBytes, createdAt, properties } = image;
  return {
    ...{ id, name, type, owner, visibility, minDiskBytes, minRamBytes, createdAt, properties },
    sharedWith: [],
    status: "active",
    disks: image.disks.map(({ device, sizeBytes }) => ({ device, sizeBytes })),
    sizeBytes: image.disks.reduce((sum, disk) => sum + disk.sizeBytes, 0),
    source: null,
    download: null,
    protected: false,
  };
}

/** `status` is "error" where a layer of it is no longer recorded, which only damage can bring about. */
export function viewImage(state: State, image: Image): ImageView {
  const { id, name, type, owner, visibility, minDiskBytes, minRamBytes, source, createdAt, properties } = image;
  const disks = image.disks.map(({ device, sizeBytes }) => ({ device, sizeBytes }));
  return {
    id,
    name,
    type,
    owner,
    visibility,
    sharedWith: (image.sharedWith ?? []).map((user) => user.name),
    status: image.disks.every(({ layer }) => Object.hasOwn(state.layers, layer)) ? "active" : "error",
    disks,
    sizeBytes: disks.reduce((sum, disk) => sum + disk.sizeBytes, 0),
    minDiskBytes,
    minRamBytes,
    source,
    download: image.download ?? null,
    createdAt,
    protected: image.protected,
    properties,
  };
}
