/** `image save`: a self-standing copy of an image's disk, outside the store. */
import { dirname } from "node:path";
import { EstratoError } from "../../errors.ts";
import { imageOf, secretOf } from "../graph/files.ts";
import { chain } from "../graph/references.ts";
import type { Layer, State } from "../model/state.ts";
import { run } from "../operations/operation.ts";
import type { PlanView, Step } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { type FoundImage, findAnyImage } from "../sharing/find.ts";
import { checkFiles, isRoots } from "../sharing/lent-files.ts";
import { requireSpace } from "../space.ts";
import { findImageAgain } from "./find.ts";
import { type SaveData, saveImageKind } from "./save-recovery.ts";
import { requireSaveTarget } from "./save-target.ts";

export interface SaveImageOptions {
  readonly image: string; // id or name
  readonly disk: string | null; // device; null: the only one
  readonly format: "qcow2" | "raw";
  readonly compress: boolean;
  /** The copy becomes a LUKS qcow2 that the passphrase in this file opens; null: it is plain. */
  readonly passphraseFile?: string | null;
  readonly to: SaveTarget;
}

/** A file (absolute path), or whoever reads the finished copy, which goes when `read` returns. */
export type SaveTarget =
  | { readonly kind: "file"; readonly path: string; readonly replace: boolean }
  | { readonly kind: "reader"; readonly read: (path: string) => Promise<void> };

const PRIVATE_MODE = 0o600;

/**
 * Copies one disk of an image into a file that stands on nothing, mode 0600. It gets its name only when it is whole,
 * and replaces nothing that it was not told to replace. No merge moves the image's layers meanwhile. An encrypted image
 * leaves only encrypted. Throws "not_found", "usage", "conflict" or "host" before anything is made. A dry run returns
 * the plan.
 */
export async function saveImage(world: World, options: SaveImageOptions): Promise<PlanView | null> {
  requireCompatible(options);
  if (options.passphraseFile != null) await world.host.checkPassphrase(options.passphraseFile);
  const state = await world.store.read();
  const { own: image, shared } = await findAnyImage(world, state, options.image);
  if (image === null) return saveShared(world, shared, options);
  const names = [image.id, ...chain(state, chooseDisk(image, options.disk).layer)];
  // The collector takes the lock of each layer that it moves: while we hold them, none of these moves.
  return withLocks(world, names, async (locks) => {
    const now = await world.store.read();
    const layer = requireStill(now, image.id, options, locks.names);
    await requireThere(world, now, layer.id, `image ${image.name}`);
    return copy(world, locks, layer, image.name, options);
  });
}

/** Throws "usage". */
function requireCompatible({ compress, format, passphraseFile }: SaveImageOptions): void {
  const refuse = (what: string, hint: string) => {
    throw new EstratoError("usage", what, { hint });
  };
  if (compress && format === "raw") refuse("--compress: a raw file cannot be compressed", "Leave --disk-format out.");
  if (passphraseFile == null) return;
  if (format === "raw") refuse("--encrypt: a raw file cannot be encrypted", "Leave --disk-format out.");
  if (compress) refuse("--encrypt and --compress: what is encrypted cannot be compressed", "Leave one of them out.");
}

/**
 * Of somebody else's image: of a copy, where its lender is not root, since he could have qemu-img read what he likes.
 * Its lender may take it back meanwhile: QEMU's lock keeps its files from changing while they
 * are read.
 */
async function saveShared(world: World, shared: FoundImage, options: SaveImageOptions): Promise<PlanView | null> {
  if (!(await isRoots(world, shared))) {
    chooseDisk(shared, options.disk);
    const { withCopyOf } = await import("../sharing/copy.ts");
    return withCopyOf(world, shared, (within, { id }) => saveImage(within, { ...options, image: id }));
  }
  const { files } = chooseDisk(shared, options.disk);
  return withLocks(world, [shared.id], async (locks) => {
    await checkFiles(world, shared, files);
    return copy(world, locks, { file: files[0] ?? "", format: "qcow2", secret: null }, shared.name, options);
  });
}

type Source = Pick<Layer, "file" | "format" | "secret">;

async function copy(
  world: World,
  locks: HeldLocks,
  layer: Source,
  name: string,
  options: SaveImageOptions,
): Promise<PlanView | null> {
  const data = await plan(world, options);
  const bytes = await requireRoom(world, layer, data, `copy of image ${name}`);
  const steps = saveSteps(world, layer, data, options, bytes);
  return run(world, locks, { kind: saveImageKind, target: name, data, steps, result: async () => null });
}

function chooseDisk<Disk extends { readonly device: string }>(
  image: { readonly name: string; readonly disks: readonly Disk[] },
  device: string | null,
): Disk {
  const devices = image.disks.map((disk) => disk.device).join(", ");
  const [first, second] = image.disks;
  if (device === null && second !== undefined) {
    throw new EstratoError("usage", `image ${image.name}: it has several disks`, {
      hint: `Save them one by one with --disk: ${devices}.`,
    });
  }
  const chosen = device === null ? first : image.disks.find((disk) => disk.device === device);
  if (chosen !== undefined) return chosen;
  throw new EstratoError("not_found", `image ${image.name}: it has no disk ${device ?? ""}`, {
    hint: `Its disks: ${devices || "none"}.`,
  });
}

/** The layer to read, now that no file of its chain can move. */
function requireStill(state: State, id: string, options: SaveImageOptions, held: readonly string[]): Layer {
  const image = findImageAgain(state, id, options.image);
  const disk = chooseDisk(image, options.disk);
  const ids = chain(state, disk.layer);
  const layer = state.layers[disk.layer];
  if (layer === undefined || ids.some((one) => !held.includes(one))) {
    throw new EstratoError("conflict", `image ${image.name}: its layers are being merged`, { hint: "Try again." });
  }
  if (options.passphraseFile == null && ids.some((one) => state.layers[one]?.secret !== null)) {
    throw new EstratoError("host", `image ${image.name}: it is encrypted, and the copy would not be`, {
      hint: "Say --encrypt --passphrase-file FILE: the copy then opens with the passphrase in FILE.",
    });
  }
  return layer;
}

/** Throws "host" where a file of what is to be read is away. */
async function requireThere(world: World, state: State, id: string, what: string): Promise<void> {
  for (const one of chain(state, id)) {
    const file = state.layers[one]?.file ?? "";
    if ((await world.host.fileInfo(file)) !== null) continue;
    throw new EstratoError("host", `${what}: ${file} is not there`, {
      hint: 'Put it back where it was, or mount the disk that it lies on; see "estrato doctor".',
    });
  }
}

async function plan(world: World, { to }: SaveImageOptions): Promise<SaveData> {
  if (to.kind === "reader") return { work: world.store.paths.layer(world.ids.next("lay")), to: null, before: null };
  const before = await requireSaveTarget(world, to.path, to.replace);
  return { work: `${dirname(to.path)}/.estrato-${world.ids.next("op")}`, to: to.path, before };
}

/** Returns how much the copy takes at most. */
async function requireRoom(world: World, layer: Source, data: SaveData, what: string): Promise<number> {
  const bytes = await world.host.convertedBytes(imageOf(layer));
  await requireSpace(world, bytes, what, dirname(data.work));
  return bytes;
}

function saveSteps(world: World, layer: Source, data: SaveData, options: SaveImageOptions, bytes: number): Step[] {
  const { work } = data;
  const { to, format, compress } = options;
  const passphraseFile = options.passphraseFile ?? null;
  const copy: Step = {
    id: "copy-disk",
    title: "Copy the disk",
    bytes,
    actions: [
      {
        do: "convert",
        from: layer.file,
        fromFormat: layer.format,
        to: work,
        toFormat: format,
        compress,
        mode: PRIVATE_MODE,
        ...secretOf(layer),
        ...(passphraseFile === null ? {} : { encrypt: { passphraseFile } }),
      },
    ],
  };
  const check: Step = {
    id: "compare-copy",
    title: "Compare the copy with the plan",
    run: () => requireWhole(world, layer, work, format, passphraseFile !== null),
  };
  const last: readonly Step[] =
    to.kind === "file"
      ? [
          {
            id: "give-name",
            title: "Give it its name",
            actions: [{ do: "move-file", from: work, to: to.path, replace: to.replace }],
          },
        ]
      : [
          { id: "read-out", title: "Read it out", run: () => to.read(work) },
          { id: "remove", title: "Remove it", actions: [{ do: "unlink", path: work }] },
        ];
  return [copy, check, ...last];
}

async function requireWhole(
  world: World,
  layer: Source,
  work: string,
  format: "qcow2" | "raw",
  encrypted: boolean,
): Promise<void> {
  const [source, copy] = await Promise.all([
    world.host.imageInfo(layer.file, { shared: true, format: layer.format }),
    world.host.imageInfo(work, { format }),
  ]);
  const whole =
    source !== null &&
    copy !== null &&
    copy.format === format &&
    copy.encrypted === encrypted &&
    copy.backing === null &&
    !copy.dirty &&
    copy.virtualSizeBytes === source.virtualSizeBytes;
  if (whole) return;
  throw new EstratoError("integrity", `${work}: the copy is not what was planned`, {
    hint: "Nothing was kept. Try again.",
  });
}
