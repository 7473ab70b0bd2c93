/** Images as people and programs are shown them. */
import type { Image, State } from "../../store/schema.ts";

/** CLI.md, "JSON": the keys are these, in snake_case. */
export interface ImageView {
  readonly id: string;
  readonly name: string;
  readonly type: Image["type"];
  readonly owner: string;
  readonly visibility: Image["visibility"];
  readonly status: "active" | "error";
  readonly disks: readonly { readonly device: string; readonly sizeBytes: number }[];
  readonly sizeBytes: number; // of all disks, virtual
  readonly minDiskBytes: number;
  readonly minRamBytes: number;
  readonly source: Image["source"];
  readonly createdAt: string;
  readonly protected: boolean;
  readonly properties: Readonly<Record<string, string>>;
}

export interface ImageSelection {
  readonly owner: string | null; // null: everybody's
  readonly type: string | null;
}

/** Oldest first. */
export function listImages(state: State, selection: ImageSelection): ImageView[] {
  return Object.values(state.images)
    .filter((image) => selection.owner === null || image.owner === selection.owner)
    .filter((image) => selection.type === null || image.type === selection.type)
    .sort((a, b) => a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id))
    .map((image) => viewImage(state, image));
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
    status: image.disks.every(({ layer }) => Object.hasOwn(state.layers, layer)) ? "active" : "error",
    disks,
    sizeBytes: disks.reduce((sum, disk) => sum + disk.sizeBytes, 0),
    minDiskBytes,
    minRamBytes,
    source,
    createdAt,
    protected: image.protected,
    properties,
  };
}
