/** The disks of a snapshot: the layers that hold them, with all below. */
import { EstratoError } from "../../errors.ts";
import { borrowedBelow, isBorrowedBackup } from "../graph/borrowed.ts";
import { imageOf } from "../graph/files.ts";
import { chain } from "../graph/references.ts";
import type { GuestDisk } from "../model/guest-files.ts";
import type { Layer, Snapshot, State } from "../model/state.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { World } from "../ports.ts";
import { findSnapshot, snapshotLabel } from "../snapshots/find.ts";
import { disksNamed, type Source } from "./source.ts";

/**
 * Hands `use` the disks of a snapshot (`disk`: that one alone). No layer below them is moved or freed until that has
 * ended; everything else goes on: the guest, its snapshots, even the deletion of this one, whose space comes back
 * afterwards. Throws "integrity" where a file is missing.
 */
export async function withSnapshot<T>(
  world: World,
  wish: { readonly snapshot: string; readonly disk: string | null },
  use: (source: Source) => Promise<T>,
): Promise<T> {
  const seen = await world.store.read();
  const { id } = findSnapshot(seen, wish.snapshot);
  const layers = layersBelow(seen, findSnapshot(seen, wish.snapshot), wish.disk);
  // The collector takes the lock of each layer that it moves: while we hold them, none of these moves.
  return withLocks(world, layers, async (locks) => {
    const state = await world.store.read();
    const snapshot = findSnapshot(state, id);
    const label = snapshotLabel(state, snapshot);
    if (layersBelow(state, snapshot, wish.disk).some((layer) => !locks.names.includes(layer))) {
      throw new EstratoError("conflict", `snapshot ${label}: its layers are being merged`, { hint: "Try again." });
    }
    const disks: GuestDisk[] = [];
    for (const { device, layer } of disksNamed(snapshot.disks, wish.disk, `snapshot ${label}`))
      disks.push({ device, image: imageOf(await readable(world, state, layer)), passphraseFile: null });
    return use({ what: `snapshot ${label}`, disks });
  });
}

function layersBelow(state: State, snapshot: Snapshot, disk: string | null): string[] {
  const disks = disksNamed(snapshot.disks, disk, `snapshot ${snapshotLabel(state, snapshot)}`);
  return [...new Set(disks.flatMap(({ layer }) => chain(state, layer)))];
}

async function readable(world: World, state: State, id: string): Promise<Layer> {
  const layer = state.layers[id];
  if (layer === undefined) throw new EstratoError("integrity", `layer ${id}: it is not recorded`);
  const bottom = borrowedBelow(state, id);
  if (isBorrowedBackup(bottom)) await (await import("../backups/borrow.ts")).recheckBorrowedBackup(world, bottom);
  else if (bottom !== null) await (await import("../sharing/lent-files.ts")).recheckBorrowedImage(world, bottom);
  const files = await world.host.imageChain(layer.file, layer.format);
  const missing = files.length === 0 ? layer.file : files.find(({ identity }) => identity === null)?.path;
  if (missing === undefined) return layer;
  throw new EstratoError("integrity", `${missing}: it is missing`, { hint: "See what is wrong: estrato doctor." });
}
