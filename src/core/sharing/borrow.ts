/**
 * Using somebody else's image without copying it: each new disk stands on a layer of its own that stands for the
 * lender's file. What the lender says is checked against what the kernel says: the files lie in his store and are his,
 * and each names exactly the next as its backing file. Otherwise a guest of ours would read whatever file of ours he
 * had named.
 */
import { dirname } from "node:path";
import { EstratoError } from "../../errors.ts";
import { NO_FIRMWARE } from "../firmware.ts";
import type { SourceChoice } from "../instances/source.ts";
import { newLayer } from "../layers/record.ts";
import type { Image, Layer, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { usesFolder } from "./catalogue.ts";
import { type FoundImage, findAnyImage, sharedImages } from "./find.ts";

/** A shared image as if it were ours, and the layers that stand for its files. Nothing of it is stored yet. */
export interface BorrowedImage {
  readonly image: Image;
  readonly layers: readonly Layer[];
}

/** Users that QEMU runs as for the system's libvirt, to whom it gives the files of running guests. */
const QEMU_USERS = ["libvirt-qemu", "qemu"];

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

async function standIn(world: World, shared: FoundImage): Promise<BorrowedImage> {
  if ((await world.host.capabilities()).qemuUser !== null) {
    throw new EstratoError(
      "conflict",
      `image ${shared.name}: it is ${shared.owner}'s, and the system's libvirt would take the files away from ${shared.owner}`,
      { hint: `Copy it: estrato image save ${shared.id} --file F; estrato image create NAME --file F.` },
    );
  }
  const folder = await ownUses(world, shared);
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
        marker: `${folder}/${layer.id}`,
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

/** Checks one disk's files, top first; returns its size in bytes. Reads headers only. Throws "host". */
export async function checkFiles(world: World, shared: FoundImage, files: readonly string[]): Promise<number> {
  const no = (file: string, why: string) =>
    new EstratoError("host", `image ${shared.name}: ${file} ${why}`, { hint: `Ask ${shared.owner} to share it anew.` });
  let sizeBytes = 0;
  for (const [index, file] of files.entries()) {
    if (
      dirname(file) !== `${shared.store}/layers` ||
      !/^lay-[0-9a-f]+\.qcow2$/.test(file.slice(dirname(file).length + 1))
    ) {
      throw no(file, `is not in ${shared.owner}'s store`);
    }
    const info = await world.host.fileInfo(file).catch(() => null);
    if (info === null) throw no(file, "cannot be read");
    if (!info.isRegularFile || info.isLink) throw no(file, "is no regular file");
    if (info.uid !== shared.lender && !(shared.lender === 0 && (await isQemu(world, info.uid)))) {
      throw no(file, `does not belong to ${shared.owner}`);
    }
    const { virtualSizeBytes } = await world.host.readSharedLayer(file, files[index + 1] ?? null);
    if (index === 0) sizeBytes = virtualSizeBytes;
  }
  return sizeBytes;
}

/**
 * Checks again what a borrowed layer stands for, before a guest opens it: its lender may have put another file there
 * since. Throws "conflict" where it is no longer shared with us, "host" where it is not what it was.
 */
export async function recheckBorrowedImage(world: World, { file, sizeBytes, borrowed }: Layer): Promise<void> {
  if (borrowed === undefined) return;
  const images = await sharedImages(world);
  const shared = images.find(({ id, disks }) => id === borrowed.image && disks.some(({ files }) => files[0] === file));
  if (shared === undefined) {
    throw new EstratoError("conflict", `image ${borrowed.name}: ${borrowed.owner} no longer shares it`, {
      hint: `Ask ${borrowed.owner} to share it again.`,
    });
  }
  const files = shared.disks.find((disk) => disk.files[0] === file)?.files ?? [];
  if ((await checkFiles(world, shared, files)) === sizeBytes) return;
  throw new EstratoError("host", `image ${borrowed.name}: ${file} no longer has its size`, {
    hint: `Ask ${borrowed.owner} to share it anew.`,
  });
}

async function isQemu(world: World, uid: number): Promise<boolean> {
  const [user] = await world.host.users(String(uid));
  return user !== undefined && QEMU_USERS.includes(user.name);
}
