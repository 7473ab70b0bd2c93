/**
 * Where the packed disks of a shelved instance go: the store, or a folder of the user's choice, which need not be there
 * all the time.
 */
import { dirname } from "node:path";
import { EstratoError } from "../../errors.ts";
import { imageOf } from "../graph/files.ts";
import { chain, children, standingOn } from "../graph/references.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import type { Layer, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { requireSpace } from "../space.ts";
import type { Shelf } from "./record.ts";

/** Throws "not_found" where it is no folder, "conflict" where it is the store's own. `folder` is an absolute path. */
export async function requirePackingFolder(world: World, folder: string): Promise<void> {
  if (`${folder}/`.startsWith(`${world.store.paths.home}/`)) {
    throw new EstratoError("conflict", `${folder}: that folder is for what estrato keeps itself`, {
      hint: "Leave --target out, or choose another folder.",
    });
  }
  if ((await world.host.fileInfo(folder))?.isFolder === true) return;
  throw new EstratoError("not_found", `${folder}: no such folder`, { hint: "Make it first, or choose another." });
}

/** A layer whose file was put away: ours, and not in the store. */
function isAway(world: World, { foreign, borrowed, file }: Layer): boolean {
  return foreign === null && borrowed === undefined && dirname(file) !== world.store.paths.layersFolder;
}

/** The packed disks of a shelved instance that lie outside the store. */
export function disksAway(world: World, state: State, { image }: Shelf): { device: string; layer: Layer }[] {
  return image.disks.flatMap(({ device, layer: id }) => {
    const layer = state.layers[id];
    return layer !== undefined && isAway(world, layer) ? [{ device, layer }] : [];
  });
}

/** They are there, and there is room in the store for what they hold. Throws "host" otherwise. */
export async function requireDisksBack(world: World, state: State, shelf: Shelf): Promise<void> {
  const { name } = shelf.record;
  let neededBytes = 0;
  for (const { device, layer } of disksAway(world, state, shelf)) {
    if ((await world.host.fileInfo(layer.file)) === null) {
      const folder = dirname(layer.file);
      throw new EstratoError("host", `instance ${name}: disk ${device}: ${layer.file} is not there`, {
        hint: `It stays shelved. Mount ${folder}, or put the file back there, then unshelve it.`,
      });
    }
    neededBytes += await world.host.convertedBytes(imageOf(layer));
  }
  if (neededBytes > 0) await requireSpace(world, neededBytes, `bringing the disks of ${name} back`);
}

/**
 * Says what was not brought back, of an instance that is unshelved: something else stands on it too, which was made of
 * its image, or it could not be taken in now. Who believes that all is back may take that folder away.
 */
export async function noteStillAway(world: World, uuid: string): Promise<void> {
  const state = await world.store.read();
  const name = state.instances[uuid]?.name ?? uuid;
  for (const [device, { head }] of volumesOf(state, uuid)) {
    for (const layer of chain(state, head).flatMap((one) => state.layers[one] ?? [])) {
      if (!isAway(world, layer)) continue;
      const others = children(state, layer.id).flatMap((one) => (chain(state, head).includes(one) ? [] : [one]));
      const who = [...new Set(others.flatMap((one) => standingOn(state, one)))];
      const why = who.length === 0 ? "" : `, as does ${who.join(", ")}`;
      world.report.note(`${name}: ${device} still stands on ${layer.file}${why}: that file must stay there`);
    }
  }
}
