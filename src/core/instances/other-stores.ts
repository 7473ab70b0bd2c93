/** Nothing of one store is taken in by another: both would freeze, merge and free the same file (DESIGN.md, 11). */
import { basename, dirname } from "node:path";
import { EstratoError } from "../../errors.ts";
import type { DomainStatus } from "../model/host.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { sharedImages, storesOfUsers } from "../sharing/find.ts";
import { isOurs, requireNoOthersMark } from "./marks.ts";

/**
 * For what changes a guest without taking it in. Throws "conflict" where a mark, or the place of a disk, says that it
 * is another store's.
 */
export async function requireNobodysElse(world: World, state: State, status: DomainStatus): Promise<void> {
  await requireNoOthersMark(world, state, status);
  if (state.instances[status.uuid] !== undefined) return;
  for (const { device, source } of status.inactive.disks) {
    if (source !== null) await requireInNoOtherStore(world, [source], `instance ${status.name}: disk ${device}`);
  }
}

/**
 * Throws "conflict" where a disk, or a file that it stands on, is a layer of another store: by the folder that it
 * really lies in, or, under whatever name, by device and inode. `files`: the disk's own first, then all below it, each
 * of which may be a file of an image that is shared with us. `what` begins the message: "instance web1: disk vda".
 */
export async function requireInNoOtherStore(world: World, files: readonly string[], what: string): Promise<void> {
  const shared = new Set<string>();
  if (files.length > 1) {
    for (const { disks } of await sharedImages(world))
      for (const disk of disks) for (const file of disk.files) shared.add(file);
  }
  for (const [index, file] of files.entries()) {
    const real = (await world.host.realPath(file)) ?? file;
    if (index > 0 && (shared.has(file) || shared.has(real))) continue;
    const store = (await storeAround(world, real)) ?? (await storeWith(world, file));
    if (store === null) continue;
    const rest = index === 0 ? "" : `, on which ${files[0]} stands,`;
    throw new EstratoError("conflict", `${what}: ${file}${rest} is a layer of the store ${store}`, {
      hint: `Use that store for it: --store ${store}.`,
    });
  }
}

/** The other store whose layers/ folder holds the file; null where it lies in none, or in ours. */
async function storeAround(world: World, file: string): Promise<string | null> {
  const folder = dirname(file);
  const home = dirname(folder);
  if (basename(folder) !== "layers" || (await isOurs(world, home))) return null;
  // A store whose state is gone still owns its layers.
  for (const name of ["state.json", "state", "state.lock"]) {
    if ((await world.host.fileInfo(`${home}/${name}`)) !== null) return home;
  }
  return null;
}

/** The same by device and inode, in the stores of which this host knows: a file may have several names. */
async function storeWith(world: World, file: string): Promise<string | null> {
  const identity = (await world.host.fileInfo(file))?.identity;
  if (identity === undefined) return null;
  for (const home of await storesOfUsers(world)) {
    if (await isOurs(world, home)) continue;
    // Of others' stores only what may be read is seen; root sees all.
    for (const name of await world.host.listFolder(`${home}/layers`).catch(() => [])) {
      const layer = await world.host.fileInfo(`${home}/layers/${name}`).catch(() => null);
      if (layer?.identity === identity) return home;
    }
  }
  return null;
}
