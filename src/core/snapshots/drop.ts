/** Forgetting snapshots: the pointers go, the layers are the collector's. */
import { recordedFiles, unlinkCopiesOf } from "../firmware.ts";
import { type Action, unlinkAll } from "../model/action.ts";
import { changeRows } from "../model/drafts.ts";
import type { Snapshot, State } from "../model/state.ts";
import type { World } from "../ports.ts";

/**
 * Removes the records; their children, and an instance that stood on one, hang on what that one hung on. Idempotent.
 */
export function dropSnapshots(draft: State, ids: readonly string[]): void {
  for (const id of ids) {
    const parent = draft.snapshots[id]?.parent ?? null;
    changeRows(
      draft.snapshots,
      (other) => other.parent === id,
      (other) => {
        other.parent = parent;
      },
    );
    changeRows(
      draft.instances,
      ({ current, undo }) => current === id || undo === id,
      (instance) => {
        if (instance.current === id) instance.current = parent;
        if (instance.undo === id) instance.undo = null;
      },
    );
    delete draft.snapshots[id];
  }
}

/** File name of a snapshot's memory, in the store's memory/. */
export function memoryName(id: string): string {
  return `${id}.save`;
}

/** File name of the live definition that was kept with a snapshot's memory, in records/. */
export function liveDefinitionName(id: string): string {
  return `${id}.live.xml`;
}

/** What a snapshot keeps outside the layers, as its row says: its definitions, what its firmware kept, and memory. */
export function keptFiles(world: World, snapshot: Snapshot): string[] {
  return [...recordedFiles(world, snapshot), ...memoryFiles(world, snapshot)];
}

/** Its memory, and the live definition that was kept with it. */
export function memoryFiles(world: World, { memory }: Snapshot): string[] {
  if (memory === null) return [];
  const { paths } = world.store;
  const definition = memory.definition === null ? [] : [paths.record(memory.definition)];
  return [...definition, paths.memory(memory.file)];
}

/** Removes that. Idempotent. */
export function unlinkKept(world: World, snapshots: readonly Snapshot[]): Action[] {
  return unlinkAll(snapshots.flatMap((one) => keptFiles(world, one)));
}

/** The same where the row may be gone: all that one may have kept. Idempotent. */
export function unlinkRecords(world: World, ids: readonly string[]): Action[] {
  return ids.flatMap((id): Action[] => [
    { do: "unlink", path: world.store.paths.record(`${id}.xml`) },
    ...unlinkCopiesOf(world, id),
    { do: "unlink", path: world.store.paths.record(liveDefinitionName(id)) },
    { do: "unlink", path: world.store.paths.memory(memoryName(id)) },
  ]);
}
