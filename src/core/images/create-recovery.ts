import * as v from "valibot";
import { unlinkAll } from "../model/action.ts";
import type { Image, Layer, Snapshot, State } from "../model/state.ts";
import { recordSchemas } from "../model/state.ts";
import { perform } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { dropSnapshots, unlinkKept } from "../snapshots/drop.ts";

/** What the journal remembers of an image's creation. */
export interface CreateImageData {
  /** The whole record; its disks are still empty where a snapshot must be taken first. */
  readonly image: Image;
  /** The layer that is made for it; null where it points at layers that are there. */
  readonly layer: Layer | null;
  /** Those that are made on a snapshot's, one for each disk. */
  readonly layers?: readonly Layer[];
  /**
   * Absolute paths of every file that is made for it, temporary ones too; its definition is a record of the store's.
   */
  readonly files: readonly string[];
  /** The snapshot that is taken for it, and goes as soon as the image stands. */
  readonly through: { readonly instance: string | null; readonly volume?: string; readonly snapshot: string } | null;
}

const throughSchema = v.object({
  instance: v.nullable(v.string()),
  volume: v.exactOptional(v.string()),
  snapshot: v.string(),
});

export const createImageKind: Kind<CreateImageData> = {
  name: "image.create",
  forQemu: () => true,
  version: 2,
  older: { 1: (data) => data }, // without layers on a snapshot's
  data: v.object({
    image: recordSchemas.image,
    layer: v.nullable(recordSchemas.layer),
    layers: v.exactOptional(v.array(recordSchemas.layer)),
    files: v.array(v.string()),
    through: v.nullable(throughSchema),
  }),
  recover: recoverCreateImage,
};

/** The snapshot that an image is made through, found by the name that was written down before it was taken. */
export function snapshotThrough(state: State, through: CreateImageData["through"]): Snapshot | null {
  if (through === null) return null;
  const found = Object.values(state.snapshots).find(
    (one) =>
      one.instance === through.instance && one.volume === (through.volume ?? null) && one.name === through.snapshot,
  );
  return found ?? null;
}

/**
 * Its record is stored last and in one transaction, so that it decides: there, the image is done; not there, all that
 * was made for it goes. Repeatable.
 */
async function recoverCreateImage(world: World, locks: HeldLocks, data: CreateImageData): Promise<Outcome> {
  const state = await world.store.read();
  if (state.images[data.image.id] !== undefined) return "forward";
  const snapshot = snapshotThrough(state, data.through);
  if (snapshot !== null) {
    // Its files first: once its record is gone, nothing would know of them.
    await perform(world, locks, unlinkKept(world, [snapshot]));
    await world.store.update((draft) => dropSnapshots(draft, [snapshot.id]));
  }
  if (data.image.definition !== null) await world.store.removeRecord(data.image.definition);
  await perform(world, locks, unlinkAll(data.files));
  return "back";
}
