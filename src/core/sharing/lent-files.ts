/**
 * The files of somebody else's image: what the kernel and their headers say of them, asked before they are borrowed and
 * again before they are read.
 */
import { dirname } from "node:path";
import { EstratoError } from "../../errors.ts";
import { type Borrowed, borrowedBelow, isBorrowedBackup } from "../graph/borrowed.ts";
import { whyFolderInOtherHands } from "../hands.ts";
import type { Layer, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { type FoundImage, sharedImages } from "./find.ts";

/** Users that QEMU runs as for the system's libvirt, to whom it gives the files of running guests. */
const QEMU_USERS = ["libvirt-qemu", "qemu"];

/** Only root can change its files, or put others in their place. */
export async function isRoots(world: World, { lender, disks }: FoundImage): Promise<boolean> {
  if (lender !== 0) return false;
  for (const file of disks.flatMap(({ files }) => files))
    if ((await whyFolderInOtherHands(world, file)) !== null) return false;
  return true;
}

/** The same of one file: root's, or QEMU's user's, to whom libvirt gives those of running guests. */
export async function isRootsFile(world: World, file: string): Promise<boolean> {
  const uid = (await world.host.fileInfo(file))?.uid;
  if (uid === undefined || (uid !== 0 && !(await isQemu(world, uid)))) return false;
  return (await whyFolderInOtherHands(world, file)) === null;
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

/** Checks again what these heads stand on of other users' images. Throws what `recheckBorrowedImage` throws. */
export async function recheckBorrowed(world: World, state: State, heads: Iterable<string>): Promise<void> {
  for (const head of heads) {
    const bottom = borrowedBelow(state, head);
    if (bottom !== null && !isBorrowedBackup(bottom)) await recheckBorrowedImage(world, bottom);
  }
}

/**
 * Checks again what a borrowed layer stands for, before a guest opens it: its lender may have put another file there
 * since. Throws what `findLent` throws.
 */
export async function recheckBorrowedImage(world: World, layer: Layer): Promise<void> {
  if (layer.borrowed !== undefined) await findLent(world, layer.file, layer.sizeBytes, layer.borrowed);
}

/**
 * What a borrowed layer stands for, as it is now: the image, and the files of this disk, top first, just looked at.
 * Throws "conflict" where it is no longer shared with us, "host" where it is not what it was.
 */
export async function findLent(
  world: World,
  file: string,
  sizeBytes: number,
  borrowed: Borrowed,
): Promise<{ readonly shared: FoundImage; readonly files: readonly string[] }> {
  const images = await sharedImages(world);
  const shared = images.find(({ id, disks }) => id === borrowed.image && disks.some(({ files }) => files[0] === file));
  if (shared === undefined) {
    throw new EstratoError("conflict", `image ${borrowed.name}: ${borrowed.owner} no longer shares it`, {
      hint: `Ask ${borrowed.owner} to share it again.`,
    });
  }
  const files = shared.disks.find((disk) => disk.files[0] === file)?.files ?? [];
  if ((await checkFiles(world, shared, files)) === sizeBytes) return { shared, files };
  throw new EstratoError("host", `image ${borrowed.name}: ${file} no longer has its size`, {
    hint: `Ask ${borrowed.owner} to share it anew.`,
  });
}

async function isQemu(world: World, uid: number): Promise<boolean> {
  const [user] = await world.host.users(String(uid));
  return user !== undefined && QEMU_USERS.includes(user.name);
}
