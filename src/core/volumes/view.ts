/** What people and scripts are shown of a volume; the keys are CLI.md's. */
import { compareAges } from "../../order.ts";
import type { State, Volume } from "../model/state.ts";
import type { World } from "../ports.ts";

export interface VolumeView {
  readonly id: string;
  readonly name: string | null; // null: a disk that came with its instance
  /** error: its file is not there. */
  readonly status: "available" | "in-use" | "error";
  readonly size_bytes: number;
  readonly instance: string | null; // its name
  readonly instance_id: string | null;
  readonly device: string | null;
  readonly source_snapshot: string | null; // ids
  readonly source_image: string | null;
  readonly encrypted: boolean;
  readonly delete_with_instance: boolean;
  readonly owner: string;
  readonly created_at: string;
}

export interface VolumeFilter {
  /** A user's name; absent: everybody's. */
  readonly owner?: string;
}

/** The volumes that match, the oldest first. */
export async function listVolumes(world: World, filter: VolumeFilter = {}): Promise<VolumeView[]> {
  const state = await world.store.read();
  const found = Object.values(state.volumes)
    .filter((one) => filter.owner === undefined || one.owner === filter.owner)
    .sort(compareAges);
  const views: VolumeView[] = [];
  for (const one of found) views.push(await viewVolume(world, state, one)); // at one time, thousands would lie about
  return views;
}

/** One volume as it is now: looks whether its file is there, asks libvirt nothing. */
export async function viewVolume(world: World, state: State, volume: Volume): Promise<VolumeView> {
  const head = state.layers[volume.head];
  const isThere = head !== undefined && (await world.host.fileInfo(head.file)) !== null;
  return {
    id: volume.id,
    name: volume.name,
    status: !isThere ? "error" : volume.instance === null ? "available" : "in-use",
    size_bytes: head?.sizeBytes ?? 0,
    instance: volume.instance === null ? null : (state.instances[volume.instance]?.name ?? volume.instance),
    instance_id: volume.instance,
    device: volume.device,
    source_snapshot: volume.sourceSnapshot,
    source_image: volume.sourceImage,
    encrypted: head !== undefined && head.secret !== null,
    delete_with_instance: volume.deleteWithInstance,
    owner: volume.owner,
    created_at: volume.createdAt,
  };
}
