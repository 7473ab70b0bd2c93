/**
 * Backups that were never finished and whose target was not there when their operation was undone. They are this
 * store's, which their names say; those of another store are its own affair.
 */
import type { State } from "../model/state.ts";
import { perform } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";
import type { BackupData } from "./create-recovery.ts";
import { isThere } from "./targets/identity.ts";
import { openTarget } from "./targets/open.ts";

/** Those in a target, by their names; [] where it is not there. Under its lock none of them is being written. */
export async function leftoversIn(world: World, state: State, target: string): Promise<string[]> {
  const { storeId } = state;
  if (storeId === null || !(await isThere(world, state, target))) return [];
  const pending = (await world.store.journal.list()).map(({ data }) => (data as Partial<BackupData>).part);
  return (await openTarget(world, target).unfinishedOf(storeId)).filter((name) => !pending.includes(name));
}

/** Removes them, under the target's lock. A dry run removes nothing. */
export async function sweep(world: World, locks: HeldLocks, target: string): Promise<void> {
  if (world.dryRun) return;
  for (const name of await leftoversIn(world, await world.store.read(), target)) {
    await perform(world, locks, openTarget(world, target).unfinished(name).discard());
  }
}
