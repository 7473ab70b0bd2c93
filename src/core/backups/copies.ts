/** How each disk gets into a backup: in full, or as what has changed since the backup before it. */
import { EstratoError } from "../../errors.ts";
import { imageOf } from "../graph/files.ts";
import { chain } from "../graph/references.ts";
import type { Action } from "../model/action.ts";
import type { Bookmark, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import type { Manifest } from "./manifest.ts";
import { diskFile } from "./parts.ts";
import type { CopyMeans, DiskContent, UnfinishedBackup } from "./targets/target.ts";

/** A disk at the moment of the backup: the frozen layer that holds it. */
export interface DiskMoment {
  readonly device: string;
  readonly volume: string;
  readonly layer: string;
}

/**
 * What is copied of a disk: all that its layer reads as (`parent` null), or what those layers hold, on the backup
 * `parent`.
 */
export interface DiskCopy extends DiskMoment {
  readonly parent: string | null;
  readonly layers: readonly string[]; // oldest first; of a full copy the one on top
}

/** What an incremental backup builds on: the bookmark, and the backup that it was taken for. */
export interface Base {
  readonly bookmark: Bookmark;
  readonly manifest: Manifest;
}

export interface CopyPlan {
  readonly copies: readonly DiskCopy[];
  /** Why a disk is copied in full although a delta was asked for. */
  readonly notes: readonly string[];
}

/** Decides for each disk. `base` null: everything in full. */
export function planCopies(state: State, disks: readonly DiskMoment[], base: Base | null): CopyPlan {
  const notes: string[] = [];
  const copies = disks.map((disk): DiskCopy => {
    const full: DiskCopy = { ...disk, parent: null, layers: [disk.layer] };
    if (base === null) return full;
    const marked = base.bookmark.disks.find(({ volume, device }) => volume === disk.volume && device === disk.device);
    const kept = base.manifest.disks.find(({ volume, device }) => volume === disk.volume && device === disk.device);
    if (marked === undefined || kept === undefined) {
      notes.push(`${disk.device} is new since the backup before: it is copied in full`);
      return full;
    }
    const layers = chain(state, disk.layer);
    const at = layers.indexOf(marked.layer);
    if (at < 0) {
      notes.push(`${disk.device} no longer stands on what the backup before was taken of: it is copied in full`);
      return full;
    }
    return { ...disk, parent: base.manifest.id, layers: layers.slice(0, at).reverse() };
  });
  return { copies, notes };
}

/** Takes them into a backup. Read when the step comes: a merge may have moved a layer since. */
export function copyActions(
  state: State,
  copies: readonly DiskCopy[],
  into: UnfinishedBackup,
  how: CopyMeans,
): Action[] {
  return copies.flatMap(({ device, layer, layers, parent }) => {
    const top = layerAt(state, layer);
    const content: DiskContent =
      parent === null
        ? { image: imageOf(top) }
        : { layers: layers.map((id) => imageOf(layerAt(state, id))), parent, sizeBytes: top.sizeBytes };
    return into.takeDisk(diskFile(device), content, how);
  });
}

/** What the copies take at most. */
export async function copiedBytes(world: World, state: State, copies: readonly DiskCopy[]): Promise<number> {
  let bytes = 0;
  for (const { layer, layers, parent } of copies) {
    if (parent === null) {
      bytes += await world.host.convertedBytes(imageOf(layerAt(state, layer)));
      continue;
    }
    for (const id of layers) bytes += (await world.host.fileInfo(layerAt(state, id).file))?.allocatedBytes ?? 0;
  }
  return bytes;
}

function layerAt(state: State, id: string) {
  const layer = state.layers[id];
  if (layer === undefined) throw new EstratoError("integrity", `layer ${id}: it is not recorded`);
  return layer;
}

/** Throws "host" where an encrypted disk would lie open in the backup. */
export function requireEncryption(state: State, disks: readonly DiskMoment[], encrypted: boolean, name: string): void {
  const open = encrypted ? undefined : disks.find(({ layer }) => layerAt(state, layer).secret !== null);
  if (open === undefined) return;
  throw new EstratoError("host", `instance ${name}: ${open.device} is encrypted, and a backup of it would not be`, {
    hint: "Say --encrypt --passphrase-file FILE, or leave it out: name the others with --disk.",
  });
}
