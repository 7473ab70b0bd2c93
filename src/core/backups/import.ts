/**
 * A backup's disks, read back into layers of this store: an image for a moment, of which an instance, a revert or a
 * volume is then made as of any other.
 */
import { EstratoError } from "../../errors.ts";
import { copyFiles, copyNames, pathsOf, SAVE_FIRMWARE } from "../firmware.ts";
import { secretOf } from "../graph/files.ts";
import { newImage } from "../images/record.ts";
import { requireDefinition } from "../instances/definition-file.ts";
import { requireShown, type TrustedDefinition, tellLeftOut } from "../instances/trusted-definition.ts";
import { newLayer } from "../layers/record.ts";
import type { Action } from "../model/action.ts";
import type { ImageFile } from "../model/host.ts";
import type { Image, Layer } from "../model/state.ts";
import type { Step } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import type { BorrowedImage } from "../sharing/borrow.ts";
import { requireSpace } from "../space.ts";
import { changed, fileProblem } from "./examine-disk.ts";
import type { WholeBackup } from "./find.ts";
import { type BackupDisk, type Manifest, sha256 } from "./manifest.ts";
import { openTarget } from "./targets/open.ts";
import type { StoredBackup } from "./targets/target.ts";

/** What is about to be read back, or booted from; nothing of it is there yet. */
export interface Import {
  readonly image: Image;
  readonly layers: readonly Layer[];
  /** In place of layers of our own: those that stand for the backup's files. */
  readonly loan: BorrowedImage | null;
  /** What the layers are copies of, one each. */
  readonly from: readonly ImageFile[];
  /** What comes with the disks is read there, by the names that its manifest has for it. */
  readonly source: StoredBackup;
  readonly manifest: Manifest;
  /**
   * libvirt's secret that opens the backup, and each layer of it that is to be encrypted; null: it is not encrypted.
   */
  readonly secret: string | null;
  /** What the copies move. */
  readonly bytes?: number;
}

/** What becomes of its definition. */
export interface DefinitionWish {
  /** Null: only what is taken by name. */
  readonly trust: TrustedDefinition | null;
  /** The new instance that gets it; null: none does. */
  readonly instance: string | null;
  /** It is the guest that it was taken of: the networks that it names are its own. */
  readonly isItself: boolean;
}

const FROZEN_MODE = 0o400;

/**
 * Plans it for all disks of a backup, or some. Throws "usage" for one that it does not have, "host" where there is no
 * room.
 */
export async function planImport(
  world: World,
  backup: WholeBackup,
  id: string,
  devices: readonly string[],
  secret: string | null,
): Promise<Import> {
  const { manifest, target } = backup;
  const disks = chooseDisks(manifest.disks, devices, backup.id);
  const source = openTarget(world, target).backup(manifest.id);
  await readDefinition(world, source, manifest); // what cannot be taken is known before anything is copied
  const from = disks.map(({ file }) => source.image(file, secret));
  // What was encrypted is so again, with the passphrase of the backup.
  const layers = disks.map(({ sizeBytes, sourceEncrypted }) =>
    newLayer(world, { sizeBytes, frozen: true, secret: sourceEncrypted ? secret : null }),
  );
  let bytes = 0;
  for (const [index, { sizeBytes }] of disks.entries()) {
    const image = from[index];
    // Without its passphrase an encrypted one does not tell.
    bytes += secret === null && image !== undefined ? await world.host.convertedBytes(image) : sizeBytes;
  }
  await requireSpace(world, bytes, `restoring backup ${manifest.id}`);
  return { ...imageFromBackup(world, backup, id, disks, layers), layers, loan: null, from, secret, bytes };
}

/** The image that these layers are for a moment, and what comes with it. */
export function imageFromBackup(
  world: World,
  { manifest, target }: WholeBackup,
  id: string,
  disks: readonly BackupDisk[],
  layers: readonly Layer[],
): Pick<Import, "image" | "source" | "manifest"> {
  const source = openTarget(world, target).backup(manifest.id);
  const options = { name: `restore-${id}`, properties: {}, minDiskBytes: null, minRamBytes: null, protect: false };
  const image = newImage(world, options, {
    id,
    type: "base",
    source: { kind: "file", id: null, name: source.name },
    disks: disks.map(({ device, sizeBytes }, index) => ({ device, layer: layers[index]?.id ?? "", sizeBytes })),
    definition: `${id}.xml`,
    ...copyNames(id, { nvram: manifest.nvram?.file ?? null, tpm: manifest.tpm?.file ?? null }),
    uefi: manifest.uefi,
  });
  return { image, source, manifest };
}

/** Throws "usage" for one that it does not have. No `devices`: all. */
export function chooseDisks(all: readonly BackupDisk[], devices: readonly string[], id: string): readonly BackupDisk[] {
  const unknown = devices.find((device) => !all.some((disk) => disk.device === device));
  if (unknown !== undefined) {
    throw new EstratoError("usage", `backup ${id}: it has no disk ${unknown}`, {
      hint: `Its disks: ${all.map(({ device }) => device).join(", ")}.`,
    });
  }
  return devices.length === 0 ? all : all.filter(({ device }) => devices.includes(device));
}

/** The steps that only remember something: what follows is planned as if they were done. */
export const REMEMBERS: ReadonlySet<string> = new Set(["take-definition", "record-copied"]);

/**
 * The image is recorded last: there, it is whole. One that is booted from is never recorded: nothing but what is made
 * of it stands on a loan.
 */
export function importSteps(world: World, plan: Import, wanted: DefinitionWish): Step[] {
  const { image, layers, source, manifest } = plan;
  const firmware = firmwareActions(world, plan);
  const small: Step[] = [
    ...(firmware.length === 0 ? [] : [{ id: "save-firmware", title: SAVE_FIRMWARE, actions: firmware }]),
    {
      id: "take-definition",
      title: "Take its definition",
      run: async () => {
        const xml = await readDefinition(world, source, manifest);
        await world.store.writeRecord(`${image.id}.xml`, await takeDefinition(world, plan, xml, wanted));
      },
    },
  ];
  if (plan.loan !== null) return small;
  return [
    {
      id: "copy-disks-back",
      title: "Copy the disks back",
      actions: copiesOf(plan),
      ...(plan.bytes === undefined ? {} : { bytes: plan.bytes }),
    },
    { id: "compare-copies", title: "Compare the copies with the plan", run: () => requireWhole(world, layers) },
    ...small,
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

/** The very text that the manifest has the sum of. Throws "integrity" where it is another one, none, or not there. */
export async function readDefinition(world: World, source: StoredBackup, { definition }: Manifest): Promise<string> {
  const { file, sha256: sum } = definition;
  const missing = await fileProblem(source, file);
  if (missing !== null) throw new EstratoError("integrity", missing);
  const xml = await source.readText(file);
  if (xml !== null && sha256(xml) === sum) return requireDefinition(world, xml, source.nameOf(file));
  throw new EstratoError("integrity", changed(source, file), {
    hint: "Restore another backup.",
  });
}

/** A backup comes from anywhere: its definition is a proposal (DESIGN.md, invariant 16). */
async function takeDefinition(
  world: World,
  { manifest }: Import,
  xml: string,
  { trust, instance, isItself }: DefinitionWish,
): Promise<string> {
  if (trust !== null) {
    requireShown(xml, trust, `backup ${manifest.id}`);
    return xml;
  }
  const taken = await world.host.takenFrom(xml, isItself ? "here" : "outside");
  // Without firmware and TPM a new instance has nothing of it at all.
  const isUsed =
    isItself || manifest.nvram !== null || manifest.tpm !== null || world.host.parseDefinition(xml).firmware;
  if (instance !== null && isUsed) tellLeftOut(world, `instance ${instance}`, taken.leftOut);
  return taken.xml;
}

function firmwareActions(world: World, { image, source, manifest }: Import): Action[] {
  const { nvram, tpm } = pathsOf(world, image);
  return [
    ...(manifest.nvram === null || nvram === null ? [] : source.copyOut(manifest.nvram.file, nvram, FROZEN_MODE)),
    ...(manifest.tpm === null || tpm === null ? [] : source.copyTpmOut(manifest.tpm.file, tpm)),
  ];
}

function copiesOf({ from, layers, secret }: Import): Action[] {
  return layers.map(({ file: to, secret: own }, index): Action => {
    const copy = {
      from: from[index]?.path ?? "",
      fromFormat: "qcow2",
      to,
      toFormat: "qcow2",
      compress: false,
      mode: FROZEN_MODE,
    } as const;
    return { do: "convert", ...copy, ...secretOf({ secret }), ...(own === null ? {} : { encrypt: { secret: own } }) };
  });
}

async function requireWhole(world: World, layers: readonly Layer[]): Promise<void> {
  for (const { file, sizeBytes, secret } of layers) {
    const info = await world.host.imageInfo(file, { format: "qcow2" });
    const alike = info?.encrypted === (secret !== null) && info.virtualSizeBytes === sizeBytes;
    if (info !== null && alike && info.backing === null && !info.dirty) continue;
    throw new EstratoError("integrity", `${file}: the copy is not what was planned`, { hint: "Nothing was kept." });
  }
}

/** Forgets the image; what was made of it keeps the layers. Its files go before its record. Repeatable. */
export async function dropImport(world: World, { image, layers }: Pick<Import, "image" | "layers">): Promise<void> {
  const state = await world.store.read();
  const gone = copyFiles(world, image);
  // A layer that is recorded is the collector's: something may stand on it by now.
  for (const { id, file } of layers) if (state.layers[id] === undefined) gone.push(`${file}.part`, file);
  for (const path of gone) await world.host.perform({ do: "unlink", path });
  await world.store.removeRecord(`${image.id}.xml`);
  await world.store.update((draft) => void delete draft.images[image.id]);
}
