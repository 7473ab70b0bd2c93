/**
 * Marks of operations on layers that the journal knows nothing of: their entries could not be read and were put aside.
 */
import { instancesOn } from "../layers/holders.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";
import type { Finding } from "./finding.ts";

/**
 * A layer that says that it is being merged, though nobody is at it. What stands on the two masks whatever the merge
 * had come to, and as long as the entry lies aside none of them is moved: the mark alone keeps verbs from them.
 */
export async function examineMarks(world: World, pending: readonly string[]): Promise<Finding[]> {
  const state = await world.store.read(); // after the journal: one that has ended since has taken its mark away
  return Object.values(state.layers)
    .filter((layer) => isLeft(state, layer.id, pending))
    .map((layer) => ({
      subject: layer.file,
      problem: `it is marked by operation ${layer.busy}, and that is not in the journal`,
      remedy: "Take the mark away.",
      mending: {
        locks: [...instancesOn(state, [layer.id]), layer.id],
        loses: [],
        mend: async (w) => {
          const open = (await w.store.journal.list()).map(({ id }) => id);
          await w.store.update((draft) => {
            const marked = draft.layers[layer.id];
            if (marked !== undefined && isLeft(draft, layer.id, open)) marked.busy = null;
          });
        },
      },
    }));
}

function isLeft(state: State, layer: string, pending: readonly string[]): boolean {
  const mark = state.layers[layer]?.busy ?? null;
  return mark !== null && !pending.includes(mark);
}
