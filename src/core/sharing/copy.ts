/** Taking somebody else's image by copy: what is made of it stands on copies of his files (copied-files.ts). */
import * as v from "valibot";
import { dropImport } from "../backups/import.ts";
import { NO_FIRMWARE } from "../firmware.ts";
import { changeRows } from "../model/drafts.ts";
import type { Image, Layer } from "../model/state.ts";
import { recordSchemas } from "../model/state.ts";
import { run } from "../operations/operation.ts";
import { rehearsed } from "../operations/rehearsal.ts";
import type { PlanView } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { type Copied, copySteps, holdDisk, requireRoom } from "./copied-files.ts";
import type { FoundImage } from "./find.ts";

interface CopyData {
  /** Ours for a moment: what is made of it keeps its layers. */
  readonly image: Image;
  readonly layers: readonly Layer[];
  /** The lender's, of which what is made says that it is. */
  readonly lent: string;
}

export const copySharedKind: Kind<CopyData> = {
  name: "image.copy",
  version: 1,
  data: v.object({ image: recordSchemas.image, layers: v.array(recordSchemas.layer), lent: v.string() }),
  recover: recoverCopy,
};

/**
 * Copies a shared image into this store and lets `use` make of it what was asked for; afterwards the image is gone, and
 * what was made stands on layers of this store. Throws "host" where the image is not what its lender says, or does not
 * fit; nothing is left behind then. A dry run returns the plan of the copy.
 */
export async function withCopyOf<T extends object | null>(
  world: World,
  shared: FoundImage,
  use: (within: World, image: Image) => Promise<T | PlanView>,
): Promise<T | PlanView> {
  const id = world.ids.next("img");
  // Not the image's own lock: what is made of it takes that.
  return withLocks(world, [`copy of ${id}`], async (locks) => {
    const copies: Copied[] = [];
    try {
      const image = await hold(world, shared, id, copies);
      await requireRoom(
        world,
        shared,
        copies.map(({ held }) => held.path),
      );
      if (shared.uefi) {
        const whose = `the variables of its UEFI firmware stay with ${shared.owner}; new ones are made`;
        world.report.note(`image ${shared.name}: ${whose}`);
      }
      const data: CopyData = { image, layers: copies.map(({ layer }) => layer), lent: shared.id };
      let made: T | PlanView | undefined;
      const make = async (within: World) => {
        made = await use(within.dryRun ? await rehearsedCopy(within, data) : within, image);
        return made;
      };
      return await run<CopyData, T | PlanView>(world, locks, {
        kind: copySharedKind,
        target: shared.name,
        data,
        steps: [
          ...copySteps(world, shared, copies),
          { id: "record-copied", title: "Record what was copied", run: () => record(world, data) },
          { id: "make-wanted", title: "Make of it what was asked for", child: make },
          { id: "forget-copy", title: "Forget the copied image", run: () => forget(world, data) },
        ],
        result: async () => made as T | PlanView,
      });
    } finally {
      for (const { held } of copies) await held.close();
    }
  });
}

/** Opens all of his files, and looks at each by its descriptor. Returns the image that the copies will be. */
async function hold(world: World, shared: FoundImage, id: string, copies: Copied[]): Promise<Image> {
  const disks: Image["disks"] = [];
  for (const { device, files } of shared.disks) {
    const { top, sizeBytes } = await holdDisk(world, shared, files, copies);
    disks.push({ device, layer: top, sizeBytes });
  }
  const { type, minDiskBytes, minRamBytes, createdAt, uefi } = shared;
  return {
    ...{ id, name: `copy-of-${id}`, owner: world.user, type, visibility: "private", minDiskBytes, minRamBytes },
    ...{ createdAt, properties: {}, disks, source: { kind: "file", id: null, name: `${shared.owner}/${shared.name}` } },
    ...{ definition: null, ...NO_FIRMWARE, uefi, protected: false },
  };
}

async function rehearsedCopy(world: World, data: CopyData): Promise<World> {
  const on = await rehearsed(world);
  await record(on, data);
  return on;
}

async function record(world: World, { image, layers }: CopyData): Promise<void> {
  await world.store.update((draft) => {
    for (const layer of layers) draft.layers[layer.id] = layer;
    draft.images[image.id] = image;
  });
}

/** What was made says whose image it is of, as where it stands on his files. Repeatable. */
async function forget(world: World, { image, layers, lent }: CopyData): Promise<void> {
  await world.store.update((draft) => {
    changeRows(
      draft.instances,
      (one) => one.image === image.id || one.base?.image === image.id,
      (one) => {
        if (one.image === image.id) one.image = lent;
        if (one.base?.image === image.id) one.base = { ...one.base, image: lent, name: image.source.name };
      },
    );
    changeRows(
      draft.volumes,
      ({ sourceImage }) => sourceImage === image.id,
      (one) => {
        one.sourceImage = lent;
      },
    );
  });
  await dropImport(world, { image, layers });
}

/** What `use` began has a journal entry of its own, which was recovered before. */
async function recoverCopy(world: World, _locks: HeldLocks, data: CopyData): Promise<Outcome> {
  const { layers } = await world.store.read();
  const ids = new Set(data.layers.map(({ id }) => id));
  const isUsed = Object.values(layers).some(({ id, parent }) => !ids.has(id) && parent !== null && ids.has(parent));
  await forget(world, data);
  return isUsed ? "forward" : "back";
}
