/** Forgetting snapshots: the pointers go, the layers are the collector's. */
import { recordedFiles, unlinkCopiesOf } from "../firmware.ts";
import { type Action, unlinkAll } from "../model/action.ts";
import { changeRows } from "../model/drafts.ts";
import type { Snapshot, State } from "../model/state.ts";
import type { World } from "../ports.ts";

/**
 * Removes the records; what hung on them, children and an instance that stood on one, hangs on the nearest above that
 * stays. Goes through the tables once, however many they are. Idempotent.
 */
export function dropSnapshots(draft: State, ids: readonly string[]): void {
  if (ids.length === 0) return;
  const dropped = new Map(ids.map((id) => [id, draft.snapshots[id]?.parent ?? null]));
  for (const id of ids) delete draft.snapshots[id];
  const isDropped = (id: string | null) => id !== null && dropped.has(id);
  changeRows(
    draft.snapshots,
    ({ parent }) => isDropped(parent),
    (child) => {
      child.parent = stayingAbove(dropped, child.parent);
    },
  );
  changeRows(
    draft.instances,
    ({ current, undo }) => isDropped(current) || isDropped(undo),
    (instance) => {
      instance.current = stayingAbove(dropped, instance.current);
      if (isDropped(instance.undo)) instance.undo = null;
    },
  );
}

/**
 * The nearest above that stays: the same one where it is not dropped itself. `dropped`: with their parents; those that
 * were passed name that one from then on.
 */
function stayingAbove(dropped: Map<string, string | null>, id: string | null): string | null {
  const passed = new Set<string>();
  let at = id;
  while (at !== null && dropped.has(at)) {
    passed.add(at);
    const above: string | null = dropped.get(at) ?? null;
    at = above !== null && passed.has(above) ? null : above; // a ring, in a state that somebody has edited
  }
  for (const one of passed) dropped.set(one, at);
  return at;
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
