/** The layers of which collecting asks more, by the state alone. */
import { isBorrowedBackup } from "../graph/borrowed.ts";
import { eachPointer, layerGraph } from "../graph/references.ts";
import { keysOf } from "../model/passing.ts";
import type { State } from "../model/state.ts";

/**
 * Layers that could go: nothing points at them, and at most one layer stands on them. Costs no look at the machine. Not
 * a backup's that are still read: what they hold may take hours to pull in, and no other command is to wait for that
 * (`settle` does it).
 */
export function candidates(state: State): string[] {
  const pointedAt = new Set<string>();
  eachPointer(state, (layer) => pointedAt.add(layer));
  // Next to none in most states: only of them is it counted who stands on them.
  const open: string[] = [];
  for (const id of keysOf(state, "layers")) if (!pointedAt.has(id)) open.push(id);
  if (open.length === 0) return [];
  const { children } = layerGraph(state);
  return open
    .flatMap((id) => state.layers[id] ?? [])
    .filter((layer) => (children.get(layer.id)?.length ?? 0) <= (isBorrowedBackup(layer) ? 0 : 1))
    .map(({ id }) => id);
}
