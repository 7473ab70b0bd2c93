/**
 * The files of one who is not trusted, as copies of ours. Whoever lends them owns them: he can rewrite a header at any
 * time between a look at it and QEMU's opening it. So his files are copied byte for byte, as raw bytes in which no
 * program looks for anything, each from a descriptor that we hold; what is checked, and stood on, are the copies.
 */
import { EstratoError } from "../../errors.ts";
import { newLayer } from "../layers/record.ts";
import type { Layer } from "../model/state.ts";
import { FROZEN, WRITABLE } from "../modes.ts";
import type { Step } from "../operations/steps.ts";
import type { HeldFile, World } from "../ports.ts";
import { requireSpace } from "../space.ts";
import type { FoundImage } from "./find.ts";
import { checkFiles } from "./lent-files.ts";

/** One of his files, and the layer that its copy becomes. */
export interface Copied {
  readonly file: string;
  readonly held: HeldFile;
  readonly layer: Layer;
  /** What it stands on: by its own header, and as the copy shall. */
  readonly below: { readonly file: string; readonly layer: Layer } | null;
}

/**
 * Opens the files of one disk, top first, and looks at each by its descriptor; `copies` gets them, bottom first, to be
 * closed by the caller however this ends. Returns what the top's copy will be. Throws "host" where they are not what
 * their lender says.
 */
export async function holdDisk(
  world: World,
  shared: FoundImage,
  files: readonly string[],
  copies: Copied[],
): Promise<{ readonly top: string; readonly sizeBytes: number }> {
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
  return { top: below?.layer.id ?? "", sizeBytes };
}

async function requireHis(world: World, shared: FoundImage, file: string, held: HeldFile): Promise<void> {
  const info = await world.host.fileInfo(held.path);
  if (info?.isRegularFile && info.uid === shared.lender) return;
  throw new EstratoError("host", `image ${shared.name}: ${file} is not a file of ${shared.owner}'s`, {
    hint: `Ask ${shared.owner} to share it anew.`,
  });
}

/** Throws "host" where what these files hold does not fit. */
export async function requireRoom(world: World, shared: FoundImage, files: readonly string[]): Promise<void> {
  let bytes = 0;
  for (const file of files) bytes += (await world.host.fileInfo(file))?.allocatedBytes ?? 0;
  await requireSpace(world, bytes, `copying image ${shared.name}`);
}

/** Copies them and checks the copies, of which each then stands on the next, frozen. Nothing is recorded. */
export function copySteps(world: World, shared: FoundImage, copies: readonly Copied[]): Step[] {
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
