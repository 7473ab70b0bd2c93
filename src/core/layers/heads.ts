/**
 * New volumes: empty heads on layers that are there already, or on nothing.
 * Making one moves no data. The pointer is stored before the file is made (DESIGN.md, invariant 3), so that collecting
 * never takes a layer away from under a head that is about to appear.
 */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { humanSize } from "../../units.ts";
import { markBorrowed, unmarkBorrowed } from "../graph/borrowed.ts";
import { imageOf, secretOf } from "../graph/files.ts";
import type { Action } from "../model/action.ts";
import type { Layer, State, Volume } from "../model/state.ts";
import { recordSchemas } from "../model/state.ts";
import type { World } from "../ports.ts";
import { EMPTY_HEAD_BYTES } from "../space.ts";
import { newHeadLayer, newLayer } from "./record.ts";

/** A volume that somebody wants. */
export interface VolumeRequest {
  /** vol-…, where its lock is held already; made here otherwise. */
  readonly id?: string;
  /** For messages: "instance web1: disk vda". */
  readonly what: string;
  readonly name: string | null;
  readonly instance: string | null; // UUID
  readonly device: string | null;
  readonly parent: string | null; // id of the layer it stands on; null: an empty disk
  readonly askedBytes: number | null; // null: as large as its parent
  readonly deleteWithInstance: boolean;
  readonly sourceSnapshot: string | null;
  readonly sourceImage: string | null;
  readonly uefi: boolean; // of a guest with UEFI
  /** Of an empty disk that is to be encrypted; what stands on something has that one's secret. */
  readonly secret?: string;
}

/** A volume that is planned, with the layer that is its head. Nothing of it is there yet. */
export interface NewVolume {
  readonly layer: Layer;
  readonly volume: Volume;
  /** The borrowed layer that it stands on, which comes and goes with it. */
  readonly loan?: Layer;
}

/** As the journal remembers it. */
export const newVolumeSchema: v.GenericSchema<unknown, NewVolume> = v.object({
  layer: recordSchemas.layer,
  volume: recordSchemas.volume,
  loan: v.exactOptional(recordSchemas.layer),
});

const MERGE_WAIT_MS = 60_000;
const MERGE_LOOK_MS = 200;

/**
 * The records of a new volume. Throws "usage" where it would be smaller than what it stands on, or has no size at all;
 * "integrity" where its parent is not recorded.
 */
export function planVolume(world: World, state: State, request: VolumeRequest): NewVolume {
  const parent = request.parent === null ? null : state.layers[request.parent];
  if (parent === undefined) {
    throw new EstratoError("integrity", `${request.what}: its layer ${request.parent} is not recorded`, {
      hint: 'Run "estrato doctor".',
    });
  }
  const sizeBytes = chooseSize(request, parent?.sizeBytes ?? null);
  const layer =
    parent === null
      ? newLayer(world, { sizeBytes, frozen: false, secret: request.secret ?? null })
      : newHeadLayer(world, parent, sizeBytes);
  return {
    ...(parent?.borrowed === undefined ? {} : { loan: parent }),
    layer,
    volume: {
      id: request.id ?? world.ids.next("vol"),
      name: request.name,
      head: layer.id,
      instance: request.instance,
      device: request.device,
      deleteWithInstance: request.deleteWithInstance,
      sourceSnapshot: request.sourceSnapshot,
      sourceImage: request.sourceImage,
      uefi: request.uefi,
      owner: world.user,
      createdAt: layer.createdAt,
      properties: {},
    },
  };
}

function chooseSize(request: VolumeRequest, parentBytes: number | null): number {
  const wantedBytes = request.askedBytes;
  if (wantedBytes === null && parentBytes !== null) return parentBytes;
  if (wantedBytes === null)
    throw new EstratoError("usage", `${request.what}: it needs a size`, { hint: "Give one: 10G." });
  if (parentBytes === null || wantedBytes >= parentBytes) return wantedBytes;
  throw new EstratoError(
    "usage",
    `${request.what}: ${humanSize(wantedBytes)} is less than the ${humanSize(parentBytes)} of what it is made from`,
    {
      hint: "Ask for at least as much; a disk can grow but not shrink.",
    },
  );
}

/**
 * Waits until no merge rewrites what `parents` stand on, at most a minute. Returns the state in which it is so.
 * Throws "conflict" where it takes longer.
 */
export async function awaitUnmerged(world: World, parents: readonly string[], what: string): Promise<State> {
  return (await unmerged(world, parents, what)).state;
}

/**
 * The same for who has looked at a guest before: while we wait others than us may start it, or stop it. Returns what
 * was `seen`; where there was anything to wait for, what there is to see then.
 */
export async function seenUnmerged<Seen>(
  world: World,
  parents: readonly string[],
  what: string,
  seen: Seen,
  again: () => Promise<Seen>,
): Promise<Seen> {
  return (await unmerged(world, parents, what)).waited ? again() : seen;
}

async function unmerged(
  world: World,
  parents: readonly string[],
  what: string,
): Promise<{ readonly state: State; readonly waited: boolean }> {
  const startMs = world.clock.elapsedMs();
  for (let look = 0; ; look += 1) {
    const state = await world.store.read();
    const busy = busyBelow(state, parents);
    if (busy === null || world.dryRun) return { state, waited: look > 0 };
    if (world.clock.elapsedMs() - startMs >= MERGE_WAIT_MS) throw busyError(what, busy);
    if (look === 0) world.report.note(`${what}: waiting for a merge of the layers it will stand on`);
    await world.clock.sleep(MERGE_LOOK_MS, world.signal);
  }
}

/**
 * Stores the records of new volumes, and what `also` adds to the same transaction, before any file is made.
 * Waits for merges below them. Throws "conflict" where a layer they stand on has gone, or grown, since they were
 * planned.
 */
export async function storeVolumes(
  world: World,
  volumes: readonly NewVolume[],
  what: string,
  also: (draft: State) => void,
): Promise<void> {
  const parents = volumes.flatMap(({ layer }) => (layer.parent === null ? [] : [layer.parent]));
  await whenUnmerged(world, parents, what, (draft) => {
    for (const { layer, volume, loan } of volumes) {
      if (loan !== undefined) draft.layers[loan.id] = loan;
      requireParent(draft, layer, what);
      draft.layers[layer.id] = layer;
      draft.volumes[volume.id] = volume;
    }
    also(draft);
  });
}

/** Changes the state in a moment in which no merge rewrites what `parents` stand on. Throws as awaitUnmerged. */
export async function whenUnmerged(
  world: World,
  parents: readonly string[],
  what: string,
  change: (draft: State) => void,
): Promise<void> {
  for (;;) {
    await awaitUnmerged(world, parents, what);
    const stored = await world.store.update((draft) => {
      if (busyBelow(draft, parents) !== null) return false; // a merge began in between: wait again
      change(draft);
      return true;
    });
    if (stored) return;
  }
}

/**
 * What says to the lenders that these volumes use files of theirs, or no longer do. Before the files are made, and
 * after they have gone.
 */
export function markUses(volumes: readonly NewVolume[], on: boolean): Action[] {
  return volumes.flatMap(({ loan }): Action[] => {
    if (loan?.borrowed === undefined) return [];
    return on ? [markBorrowed(loan.borrowed)] : unmarkBorrowed(loan.borrowed);
  });
}

/** The actions that make the files, with the paths that their parents have in `state`. */
export function createFiles(state: State, volumes: readonly NewVolume[]): Action[] {
  return volumes.map(({ layer }) => {
    const parent = layer.parent === null ? undefined : state.layers[layer.parent];
    return {
      do: "create-disk",
      path: layer.file,
      backing: parent === undefined ? null : { path: parent.file, format: parent.format },
      sizeBytes: layer.sizeBytes,
      ...secretOf(layer),
    };
  });
}

/**
 * Is this head as it was made: nobody holds it, and nothing was written to it? Also true of a file that is not there,
 * or that qemu-img was killed over while making it. Throws "conflict" where somebody holds it.
 */
export async function isUnwritten(world: World, layer: Layer): Promise<boolean> {
  const file = await world.host.fileInfo(layer.file);
  if (file === null) return true;
  try {
    await world.host.imageInfo(layer.file, { shared: false, format: layer.format });
  } catch (error) {
    if (error instanceof EstratoError && error.code === "conflict") throw error;
    // No guest can have opened what qemu-img cannot; anything larger than a head's first tables is not for us to judge.
    if (file.allocatedBytes <= EMPTY_HEAD_BYTES) return true;
    throw error;
  }
  return (await world.host.ownExtents(imageOf(layer))).length === 0;
}

/** Forgets volumes that were never used, with their heads. Idempotent. */
export function forgetVolumes(draft: State, volumes: readonly NewVolume[]): void {
  for (const { layer, volume, loan } of volumes) {
    delete draft.volumes[volume.id];
    delete draft.layers[layer.id];
    if (loan !== undefined) delete draft.layers[loan.id];
  }
}

/** A merge anywhere in the chain opens a file of it for writing, which a new guest on it would get in the way of. */
function busyBelow(state: State, parents: readonly string[]): Layer | null {
  for (const parent of parents) {
    const seen = new Set<string>();
    for (let id: string | null = parent; id !== null && !seen.has(id); id = state.layers[id]?.parent ?? null) {
      seen.add(id);
      const layer = state.layers[id];
      if (layer !== undefined && layer.busy !== null) return layer;
    }
  }
  return null;
}

function busyError(what: string, layer: Layer): EstratoError {
  return new EstratoError("conflict", `${what}: layer ${layer.id} is still being merged (${layer.busy})`, {
    hint: 'Try again when the merge has ended; "estrato doctor" says whether it still runs.',
  });
}

function requireParent(draft: State, layer: Layer, what: string): void {
  if (layer.parent === null) return;
  const parent = draft.layers[layer.parent];
  if (parent?.frozen && parent.sizeBytes <= layer.sizeBytes) return;
  throw new EstratoError("conflict", `${what}: the layer ${layer.parent} it was to stand on has gone meanwhile`, {
    hint: "Its image or snapshot has been deleted: choose another.",
  });
}
