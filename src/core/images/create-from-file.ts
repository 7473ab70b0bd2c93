/** `image create --file`: a file from outside is checked, copied into a layer of ours, and checked again. */
import { EstratoError } from "../../errors.ts";
import { NO_FIRMWARE } from "../firmware.ts";
import { newLayer } from "../layers/record.ts";
import type { Action } from "../model/action.ts";
import type { Image, Layer } from "../model/state.ts";
import { FROZEN } from "../modes.ts";
import { requireName } from "../names.ts";
import { run } from "../operations/operation.ts";
import { type PlanView, planView, type Step } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldFile, HeldLocks, World } from "../ports.ts";
import { requireSpace } from "../space.ts";
import { type CreateImageData, createImageKind } from "./create-recovery.ts";
import { imageNameLock, requireFreeImageName } from "./names.ts";
import { addImage, type NewImageOptions, newImage } from "./record.ts";

export interface CreateFromFileOptions extends NewImageOptions {
  readonly file: string; // absolute path
  readonly calledAs?: string; // what people call it, where that is not its path
  /**
   * Null: only a file with qcow2's magic is taken. The format of a raw file is never guessed: its content is the
   * guest's.
   */
  readonly diskFormat: "qcow2" | "raw" | null;
  /** Where the file came from; it is ours then. */
  readonly downloaded?: NonNullable<Image["download"]>;
}

const FIRST_DEVICE = "vda";

/**
 * Makes an image of type "base". Afterwards a frozen, self-standing qcow2 layer holds what the file held, and the file
 * is as it was. Throws "usage" or "conflict" for the name, "host" for a file that is not what it claims, names another
 * file, or does not fit, "conflict" where the file changed while it was read; nothing is left behind then. A dry run
 * returns the plan.
 */
export async function createImageFromFile(world: World, options: CreateFromFileOptions): Promise<Image | PlanView> {
  requireName("image", options.name);
  const id = world.ids.next("img");
  return withLocks(world, [id, imageNameLock(options.name)], async (locks) => {
    requireFreeImageName(await world.store.read(), options.name);
    return makeImageFromFile(world, locks, id, options);
  });
}

/** The same under the locks of its name and its id, which the caller holds. A file that was downloaded goes then. */
export async function makeImageFromFile(
  world: World,
  locks: HeldLocks,
  id: string,
  options: CreateFromFileOptions,
): Promise<Image | PlanView> {
  const { name, file, downloaded } = options;
  const format = options.diskFormat ?? "qcow2";
  const held = await world.host.holdFile(file, downloaded?.url);
  try {
    const stamp = await held.stamp();
    // The name may have been given to another file since; from here on this very file is meant.
    const { virtualSizeBytes } = await world.host.inspectUntrusted(held.path, format);
    if (format === "qcow2") await requireSound(world, held.path, downloaded?.url ?? file);
    const bytes = await world.host.convertedBytes({ path: held.path, format });
    await requireSpace(world, bytes, `image ${name}`);
    const data = plan(world, id, options, virtualSizeBytes);
    // A plan names the file as people do.
    const from = { held: world.dryRun ? { ...held, path: file } : held, stamp, format, bytes };
    const steps = fromFileSteps(world, data, from, name);
    if (downloaded !== undefined) steps.push(forgetStep(file));
    const result = async () => data.image;
    return await run(world, locks, { kind: createImageKind, target: data.image.name, data, steps, result });
  } finally {
    await held.close();
  }
}

/** The plan of an image from a file that is not there yet, so that nothing of it is known. */
export async function planImageFromFile(world: World, id: string, options: CreateFromFileOptions): Promise<PlanView> {
  const format = options.diskFormat ?? "qcow2";
  const held = { path: options.file, stamp: async () => "", close: async () => undefined };
  const data = plan(world, id, options, 0);
  const steps = fromFileSteps(world, data, { held, stamp: "", format, bytes: 0 }, options.name);
  // What removes a file that is not there yet is told of one that a step before it makes.
  return planView(world, [...steps, forgetStep(options.file)], [], { of: options.name, before: steps });
}

const forgetStep = (path: string): Step => ({
  id: "forget-download",
  title: "Remove the download",
  actions: [{ do: "unlink", path }],
});

/**
 * A download that was cut off has a good header; what it lacks would read as zeros, and the copy would not complain.
 */
async function requireSound(world: World, path: string, file: string): Promise<void> {
  const faults = await world.host.countFaults({ path });
  if (faults === 0) return;
  throw new EstratoError("host", `${file}: it is damaged or cut off (${faults} faults in its tables)`, {
    hint: `Get it again and compare its checksum; "qemu-img check ${file}" names each fault.`,
  });
}

type FileData = CreateImageData & { readonly layer: Layer };

function plan(world: World, id: string, options: CreateFromFileOptions, sizeBytes: number): FileData {
  const layer = newLayer(world, { sizeBytes, frozen: true, secret: null });
  const image = newImage(world, options, {
    id,
    type: "base",
    source:
      options.downloaded === undefined
        ? { kind: "file", id: null, name: options.calledAs ?? options.file }
        : { kind: "url", id: null, name: options.downloaded.url },
    disks: [{ device: FIRST_DEVICE, layer: layer.id, sizeBytes }],
    definition: null,
    ...NO_FIRMWARE,
    uefi: false,
  });
  return { image: downloadedAs(image, options), layer, files: [`${layer.file}.part`, layer.file], through: null };
}

function downloadedAs(image: Image, { downloaded }: CreateFromFileOptions): Image {
  return downloaded === undefined ? image : { ...image, download: downloaded };
}

function fromFileSteps(
  world: World,
  data: FileData,
  {
    held,
    stamp,
    format: fromFormat,
    bytes,
  }: { readonly held: HeldFile; readonly stamp: string; readonly format: string; readonly bytes: number },
  name: string,
): Step[] {
  const { layer, image } = data;
  const convert: Action = {
    do: "convert",
    from: held.path,
    fromFormat,
    to: layer.file,
    toFormat: "qcow2",
    compress: false,
    mode: FROZEN,
  };
  return [
    { id: "copy-file", title: "Copy the file into a layer", actions: [convert], bytes },
    {
      id: "compare-layer",
      title: "Compare the layer with the plan",
      run: async () => {
        await requireUnchanged(held, stamp, image.source.name);
        await requireWhole(world, layer, name);
      },
    },
    {
      id: "record-image",
      title: "Record the image",
      run: () =>
        world.store.update((draft) => {
          draft.layers[layer.id] = layer;
          addImage(draft, image);
        }),
    },
  ];
}

/** A file that somebody wrote while it was read is a mixture of two. */
async function requireUnchanged(held: HeldFile, stamp: string, file: string): Promise<void> {
  if ((await held.stamp()) === stamp) return;
  throw new EstratoError("conflict", `${file}: it changed while it was copied`, {
    hint: "Wait until whoever writes it is done, and try again.",
  });
}

/**
 * Format, size, backing and mode are as planned. The content is not compared: qemu-img answers for every read and write
 * of the copy, and reading both once more would double the time.
 */
async function requireWhole(world: World, layer: Layer, name: string): Promise<void> {
  const [info, file] = await Promise.all([
    world.host.imageInfo(layer.file, { format: "qcow2" }),
    world.host.fileInfo(layer.file),
  ]);
  const wrong = (what: string) =>
    new EstratoError("integrity", `image ${name}: its copy ${what}`, { hint: "Try again; nothing was kept." });
  if (info === null || file === null) throw wrong("is not there");
  if (info.format !== "qcow2" || info.backing !== null) throw wrong("is not a self-standing qcow2 file");
  if (info.dirty) throw wrong("is marked dirty or corrupt");
  if (info.virtualSizeBytes !== layer.sizeBytes) {
    throw wrong(`has ${info.virtualSizeBytes} bytes instead of ${layer.sizeBytes}`);
  }
  if ((file.mode & 0o777) !== FROZEN) throw wrong(`has the mode ${(file.mode & 0o777).toString(8)}`);
}
