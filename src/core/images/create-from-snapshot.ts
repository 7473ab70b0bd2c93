/** `image create --from-snapshot`: the image points at the snapshot's layers. No data moves. */
import { EstratoError } from "../../errors.ts";
import { copyCopies, copyFiles, copyNames } from "../firmware.ts";
import { chain } from "../graph/references.ts";
import { recordedDefinition } from "../instances/definition-file.ts";
import type { Image, Snapshot, State } from "../model/state.ts";
import { requireName } from "../names.ts";
import { run } from "../operations/operation.ts";
import type { PlanView, Step } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { World } from "../ports.ts";
import { findSnapshot, snapshotLabel, snapshotLocks } from "../snapshots/find.ts";
import { type CreateImageData, createImageKind } from "./create-recovery.ts";
import { imageNameLock, requireFreeImageName } from "./names.ts";
import { addImage, type NewImageOptions, newImage } from "./record.ts";
import { planPrepared, preparingSteps } from "./sysprep.ts";

export interface CreateFromSnapshotOptions extends NewImageOptions {
  readonly snapshot: string; // id, name or INSTANCE/NAME
  /** Nothing of it tells machines apart: sysprep.ts. */
  readonly sysprep?: boolean;
}

/**
 * Makes an image of type "snapshot", with copies of the snapshot's definition and of what its firmware kept. Afterwards
 * the two don't depend on each other: either can be deleted. Throws "usage", "conflict" or "not_found" before anything
 * is changed. A dry run returns the plan.
 */
export async function createImageFromSnapshot(
  world: World,
  options: CreateFromSnapshotOptions,
): Promise<Image | PlanView> {
  requireName("image", options.name);
  const early = await world.store.read();
  const found = findSnapshot(early, options.snapshot);
  const id = world.ids.next("img");
  // Under the lock of what the snapshot belongs to, as whoever deletes it would hold: its files stay while they are
  // copied.
  const names = [id, imageNameLock(options.name), ...snapshotLocks(early, found), ...preparedOn(early, found, options)];
  return withLocks(world, names, async (locks) => {
    const state = await world.store.read();
    requireFreeImageName(state, options.name);
    const snapshot = requireThere(state, found.id, options.snapshot);
    if (preparedOn(state, snapshot, options).some((layer) => !locks.names.includes(layer))) {
      throw new EstratoError("conflict", `snapshot ${options.snapshot}: its layers are being merged`, {
        hint: "Try again.",
      });
    }
    const bare = plan(world, id, options, state, snapshot);
    const data = options.sysprep === true ? await prepared(world, state, bare) : bare;
    const steps = [
      ...preparingSteps(state, data.layers ?? []),
      ...fromSnapshotSteps(world, data, snapshot, options.snapshot),
    ];
    return run(world, locks, {
      kind: createImageKind,
      target: data.image.name,
      data,
      steps,
      result: async () => data.image,
    });
  });
}

function requireThere(state: State, id: string, target: string): Snapshot {
  const snapshot = state.snapshots[id];
  if (snapshot !== undefined) return snapshot;
  throw new EstratoError("not_found", `snapshot ${target}: it has been deleted meanwhile`);
}

/**
 * What new layers would be made on, all the way down. The collector takes the lock of each layer that it moves: while
 * we hold them, none of these moves.
 */
function preparedOn(state: State, { disks }: Snapshot, { sysprep }: CreateFromSnapshotOptions): string[] {
  return sysprep === true ? [...new Set(disks.flatMap(({ layer }) => chain(state, layer)))] : [];
}

function plan(
  world: World,
  id: string,
  options: CreateFromSnapshotOptions,
  state: State,
  snapshot: Snapshot,
): CreateImageData {
  const definition = snapshot.definition === null ? null : `${id}.xml`;
  const copies = copyNames(id, snapshot);
  const image = newImage(world, options, {
    id,
    type: "snapshot",
    source: { kind: "snapshot", id: snapshot.id, name: snapshotLabel(state, snapshot) },
    disks: snapshot.disks.map(({ device, layer, sizeBytes }) => ({ device, layer, sizeBytes })),
    definition,
    ...copies,
    uefi: snapshot.uefi,
  });
  return { image, layer: null, files: copyFiles(world, copies), through: null };
}

async function prepared(world: World, state: State, data: CreateImageData): Promise<CreateImageData> {
  const { image, files } = data;
  const layers = await planPrepared(world, state, image.name, image.disks);
  const disks = image.disks.map((disk, index) => ({ ...disk, layer: layers[index]?.id ?? disk.layer }));
  return { ...data, image: { ...image, disks }, layers, files: [...files, ...layers.map(({ file }) => file)] };
}

function fromSnapshotSteps(world: World, data: CreateImageData, snapshot: Snapshot, target: string): Step[] {
  const { image } = data;
  const { store } = world;
  const steps: Step[] = [];
  if (snapshot.definition !== null && image.definition !== null) {
    const [from, to] = [snapshot.definition, image.definition];
    steps.push({
      id: "copy-definition",
      title: "Copy the definition",
      run: async () => store.writeRecord(to, await recordedDefinition(world, from)),
    });
  }
  steps.push(...copyCopies(world, snapshot, image));
  steps.push({
    id: "record-image",
    title: "Record the image",
    run: () =>
      store.update((draft) => {
        requireThere(draft, snapshot.id, target);
        for (const layer of data.layers ?? []) draft.layers[layer.id] = layer;
        addImage(draft, image);
      }),
  });
  return steps;
}
