/**
 * Using somebody else's image without copying it: each new disk stands on a layer of its own that stands for the
 * lender's file. What the lender says is checked against what the kernel says: the files lie in his store and are his,
 * and each names exactly the next as its backing file. Otherwise a guest of ours would read whatever file of ours he
 * had named.
 */
import { EstratoError } from "../../errors.ts";
import { NO_FIRMWARE } from "../firmware.ts";
import type { SourceChoice } from "../instances/source.ts";
import { newLayer } from "../layers/record.ts";
import type { Image, Layer, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { storeIdOf } from "../store-id.ts";
import { usesFolder } from "./catalogue.ts";
import { type FoundImage, findAnyImage } from "./find.ts";
import { checkFiles, isRoots } from "./lent-files.ts";

/** A shared image as if it were ours, and the layers that stand for its files. Nothing of it is stored yet. */
export interface BorrowedImage {
  readonly image: Image;
  readonly layers: readonly Layer[];
}

/** Whose files are stood on without a copy: root's always, another's where a person says so. */
interface OwnerTrust {
  readonly trustOwner: boolean;
}

/**
 * The shared image that `choice` names, where it must be copied before anything is made of it: its lender is not root,
 * or others could put files into root's store, and he is not trusted. Null: nothing is to be copied. Throws
 * "not_found".
 */
export async function imageToCopy(
  world: World,
  state: State,
  choice: Pick<SourceChoice, "kind" | "target"> | null,
  { trustOwner }: OwnerTrust,
): Promise<FoundImage | null> {
  if (choice?.kind !== "image" || trustOwner) return null;
  const { shared } = await findAnyImage(world, state, choice.target);
  if (shared === null || (await isRoots(world, shared))) return null;
  await requireOwnQemu(world, shared);
  return shared;
}

/**
 * The loan that `choice` needs; null where it names nothing of somebody else's. Throws "not_found", "conflict" where
 * the system's libvirt would use a user's files, "host" where the image is not what its lender says.
 */
export async function borrowImage(
  world: World,
  state: State,
  choice: Pick<SourceChoice, "kind" | "target"> | null,
): Promise<BorrowedImage | null> {
  if (choice?.kind !== "image") return null;
  const { shared } = await findAnyImage(world, state, choice.target);
  return shared === null ? null : standIn(world, shared);
}

/** The state as it will be with the loan: what plans are made on. */
export function withBorrowed(state: State, loan: BorrowedImage | null): State {
  if (loan === null) return state;
  const layers = Object.fromEntries(loan.layers.map((layer) => [layer.id, layer]));
  return { ...state, layers: { ...state.layers, ...layers }, images: { ...state.images, [loan.image.id]: loan.image } };
}

/** What was named, as `withLoan` finds it. */
export function borrowedChoice<Choice extends { readonly target: string }>(
  choice: Choice,
  loan: BorrowedImage | null,
): Choice {
  return loan === null ? choice : { ...choice, target: loan.image.id };
}

async function requireOwnQemu(world: World, shared: FoundImage): Promise<void> {
  if ((await world.host.capabilities()).qemuUser === null) return;
  throw new EstratoError(
    "conflict",
    `image ${shared.name}: it is ${shared.owner}'s, and the system's libvirt would take the files away from ${shared.owner}`,
    { hint: `Copy it: estrato image save ${shared.id} --file F; estrato image create NAME --file F.` },
  );
}

async function standIn(world: World, shared: FoundImage): Promise<BorrowedImage> {
  await requireOwnQemu(world, shared);
  const isTrusted = !(await isRoots(world, shared));
  const folder = await ownUses(world, shared);
  const store = await storeIdOf(world);
  const layers: Layer[] = [];
  const disks: Image["disks"] = [];
  for (const { device, files } of shared.disks) {
    const sizeBytes = await checkFiles(world, shared, files);
    const layer = newLayer(world, { sizeBytes, frozen: true, secret: null });
    layers.push({
      ...layer,
      file: files[0] ?? "",
      borrowed: {
        image: shared.id,
        name: shared.name,
        owner: shared.owner,
        depth: files.length,
        marker: `${folder}/${markOf(store, layer.id)}`,
        ...(isTrusted ? { trusted: true as const } : {}),
      },
    });
    disks.push({ device, layer: layer.id, sizeBytes });
  }
  if (shared.uefi) {
    world.report.note(
      `image ${shared.name}: the variables of its UEFI firmware stay with ${shared.owner}; new ones are made`,
    );
  }
  return { image: { ...imageFromShared(shared), disks }, layers };
}

/** The record that it would have here; its layers are not ours. */
function imageFromShared(shared: FoundImage): Image {
  const { id, name, owner, type, visibility, minDiskBytes, minRamBytes, createdAt, properties, uefi } = shared;
  return {
    ...{ id, name, owner, type, visibility, minDiskBytes, minRamBytes, createdAt, properties: { ...properties } },
    disks: [],
    source: { kind: "file", id: null, name: "" },
    definition: null,
    ...NO_FIRMWARE,
    uefi,
    protected: false,
  };
}

/** The name of the file that says that a layer of this store uses an image. */
function markOf(store: string, layer: string): string {
  return `${store}.${layer}`;
}

/**
 * The marks with the lender that this store has made (by its id, which those of older versions lack), each with the
 * layer that it is of.
 */
export async function ownMarks(
  world: World,
  shared: FoundImage,
  store: string,
): Promise<{ readonly path: string; readonly layer: string }[]> {
  const folder = await ownUses(world, shared).catch(() => null);
  const names = folder === null ? [] : await world.host.listFolder(folder).catch(() => []);
  const before = markOf(store, "");
  return names
    .filter((name) => name.startsWith(before))
    .map((name) => ({ path: `${folder}/${name}`, layer: name.slice(before.length) }));
}

/** The folder in which the lender lets us say that we use it. */
async function ownUses(world: World, shared: FoundImage): Promise<string> {
  const uses = usesFolder({ ...world.store.paths, sharesFolder: `${shared.store}/shares` }, shared.id);
  const uid = (await world.host.users(world.user))[0]?.uid;
  for (const folder of [`${uses}/${uid}`, `${uses}/public`]) {
    const found = await world.host.fileInfo(folder).catch(() => null);
    if (found?.isFolder === true && !found.isLink) return folder;
  }
  throw new EstratoError("conflict", `image ${shared.name}: ${shared.owner} is just changing whom it is shared with`, {
    hint: "Try again.",
  });
}
