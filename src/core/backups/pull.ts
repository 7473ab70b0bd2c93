/**
 * Pulling in what an instance that was booted from a backup still reads there. It is the merge of a layer like any
 * other, but nobody waits for it unasked.
 */
import { EstratoError } from "../../errors.ts";
import { type BorrowedBackup, borrowedBackupsOf, isBorrowedBackup } from "../graph/borrowed.ts";
import { locksFor, settle } from "../layers/collect.ts";
import { notNow } from "../layers/not-now.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { World } from "../ports.ts";
import { recheckBorrowedBackup } from "./borrow.ts";

/**
 * Pulls in what an instance's disks, running or not, and its snapshots read there, one after the other. Afterwards no
 * backup is needed for it, and none is in use by it. Throws "conflict" where the guest must be stopped first, "host"
 * where the target is not there, "interrupted": then the instance goes on as before, and what has been pulled stays
 * pulled.
 */
export async function pullInstance(world: World, uuid: string): Promise<void> {
  for (const layer of borrowedBackupsOf(await world.store.read(), uuid)) await pull(world, layer);
}

/** The same for all instances; what cannot be pulled now is told in a note. */
export async function pullAll(world: World): Promise<void> {
  for (const layer of Object.values((await world.store.read()).layers)) {
    if (!isBorrowedBackup(layer)) continue;
    try {
      await pull(world, layer);
    } catch (error) {
      if (!(error instanceof EstratoError) || error.code === "interrupted") throw error;
      world.report.note(`${layer.borrowed.name}: not pulled in now (${error.message})`);
    }
  }
}

async function pull(world: World, layer: BorrowedBackup): Promise<void> {
  const seen = await world.store.read();
  if (seen.layers[layer.id] === undefined) return;
  await withLocks(world, locksFor(seen, layer.id), async (locks) => {
    const state = await world.store.read();
    if (state.layers[layer.id] === undefined) return; // what was begun has been finished
    await recheckBorrowedBackup(world, layer);
    const decision = await settle(world, locks, layer.id);
    if (decision?.kind !== "free" && decision?.kind !== "merge")
      throw notNow(state, layer.id, layer.borrowed.name, decision);
  });
}
