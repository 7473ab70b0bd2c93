/**
 * Taking somebody else's image by copy. Whoever lends it owns its files: he can rewrite a header at any time between a
 * look at it and QEMU's opening it. So his files are copied byte for byte, as raw bytes in which no program looks for
 * anything, each from a descriptor that we hold; what is checked, and stood on, are the copies.
 */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { dropImport } from "../backups/import.ts";
import { NO_FIRMWARE } from "../firmware.ts";
import { newLayer } from "../layers/record.ts";
import type { Image, Layer } from "../model/state.ts";
import { recordSchemas } from "../model/state.ts";
import { FROZEN, WRITABLE } from "../modes.ts";
import { run } from "../operations/operation.ts";
import { type PlanView, planView, type Step } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldFile, HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { requireSpace } from "../space.ts";
import type { FoundImage } from "./find.ts";
import { checkFiles } from "./lent-files.ts";

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

/** One of his files, and the layer that its copy becomes. */
interface Copied {
  readonly file: string;
  readonly held: HeldFile;
  readonly layer: Layer;
  /** What it stands on: by its own header, and as the copy shall. */
  readonly below: { readonly file: string; readonly layer: Layer } | null;
}

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
      await requireSpace(world, await bytesOf(world, copies), `copying image ${shared.name}`);
      if (shared.uefi) {
        const whose = `the variables of its UEFI firmware stay with ${shared.owner}; new ones are made`;
        world.report.note(`image ${shared.name}: ${whose}`);
      }
      let made: T | PlanView | undefined;
      const make = async (within: World) => {
        made = within.dryRun ? planView(within, []) : await use(within, image);
        return made;
      };
      const data: CopyData = { image, layers: copies.map(({ layer }) => layer), lent: shared.id };
      const steps = copySteps(world, data, copies, shared);
      return await run<CopyData, T | PlanView>(world, locks, {
        kind: copySharedKind,
        target: shared.name,
        data,
        steps: [
          ...steps,
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
    const sizeBytes = await checkFiles(world, shared, files); // in words of paths that people know
    let below: Copied["below"] = null;
    for (const file of [...files].reverse()) {
      const parent: Layer | null = below === null ? null : below.layer;
      const held = await world.host.holdFile(file);
      const made = newLayer(world, { sizeBytes, frozen: true, secret: null });
      const layer: Layer = { ...made, parent: parent?.id ?? null };
      copies.push({ file, held, layer, below });
      await requireHis(world, shared, file, held);
      below = { file, layer };
    }
    disks.push({ device, layer: below?.layer.id ?? "", sizeBytes });
  }
  const { type, minDiskBytes, minRamBytes, createdAt, uefi } = shared;
  return {
    ...{ id, name: `copy-of-${id}`, owner: world.user, type, visibility: "private", minDiskBytes, minRamBytes },
    ...{ createdAt, properties: {}, disks, source: { kind: "file", id: null, name: `${shared.owner}/${shared.name}` } },
    ...{ definition: null, ...NO_FIRMWARE, uefi, protected: false },
  };
}

async function requireHis(world: World, shared: FoundImage, file: string, held: HeldFile): Promise<void> {
  const info = await world.host.fileInfo(held.path);
  if (info?.isRegularFile && info.uid === shared.lender) return;
  throw new EstratoError("host", `image ${shared.name}: ${file} is not a file of ${shared.owner}'s`, {
    hint: `Ask ${shared.owner} to share it anew.`,
  });
}

async function bytesOf(world: World, copies: readonly Copied[]): Promise<number> {
  let bytes = 0;
  for (const { held } of copies) bytes += (await world.host.fileInfo(held.path))?.allocatedBytes ?? 0;
  return bytes;
}

function copySteps(world: World, { image, layers }: CopyData, copies: readonly Copied[], shared: FoundImage): Step[] {
  return [
    {
      id: "copy-files",
      title: `Copy the files of ${shared.owner}'s image ${shared.name}`,
      actions: copies.map(({ file, held, layer }) => ({
        ...{ do: "convert", from: world.dryRun ? file : held.path, fromFormat: "raw", to: layer.file, toFormat: "raw" },
        ...{ compress: false, mode: WRITABLE },
      })),
    },
    {
      id: "check-copies",
      title: "Check the copies",
      run: async () => {
        for (const { layer, below, file } of copies) await requireSound(world, shared, file, layer, below);
      },
    },
    {
      id: "link-copies",
      title: "Let each copy stand on the next",
      actions: copies.flatMap(({ layer, below }) => [
        ...(below === null
          ? []
          : [{ do: "relink", file: layer.file, backing: { path: below.layer.file, format: "qcow2" } } as const]),
        { do: "set-mode", path: layer.file, mode: FROZEN } as const,
      ]),
    },
    {
      id: "compare-copies",
      title: "Compare the copies with the plan",
      run: async () => {
        for (const { layer, below } of copies) await requireWhole(world, layer, below?.layer ?? null);
      },
    },
    {
      id: "record-copied",
      title: "Record what was copied",
      run: () =>
        world.store.update((draft) => {
          for (const layer of layers) draft.layers[layer.id] = layer;
          draft.images[image.id] = image;
        }),
    },
  ];
}

/** Of the copy, which nobody else can write: its header names exactly the next of the lender's files, and no other. */
async function requireSound(
  world: World,
  shared: FoundImage,
  file: string,
  layer: Layer,
  below: Copied["below"],
): Promise<void> {
  const { virtualSizeBytes } = await world.host.readSharedLayer(layer.file, below?.file ?? null);
  // All layers of a disk have one size here: what is smaller below reads as zeros beyond its end.
  if (virtualSizeBytes <= layer.sizeBytes) return;
  throw new EstratoError("host", `image ${shared.name}: ${file} is larger than the disk that stands on it`, {
    hint: `Ask ${shared.owner} to share it anew.`,
  });
}

async function requireWhole(world: World, { file, sizeBytes }: Layer, below: Layer | null): Promise<void> {
  const info = await world.host.imageInfo(file, { format: "qcow2" });
  const alike = info !== null && info.backing === (below?.file ?? null) && !info.dirty && !info.encrypted;
  if (alike && info.virtualSizeBytes <= sizeBytes && (await world.host.countFaults({ path: file })) === 0) return;
  throw new EstratoError("host", `${file}: the copy is damaged`, { hint: "Nothing was kept. Ask for the image anew." });
}

/** What was made says whose image it is of, as where it stands on his files. Repeatable. */
async function forget(world: World, { image, layers, lent }: CopyData): Promise<void> {
  await world.store.update((draft) => {
    for (const one of Object.values(draft.instances)) if (one.image === image.id) one.image = lent;
    for (const one of Object.values(draft.volumes)) if (one.sourceImage === image.id) one.sourceImage = lent;
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
