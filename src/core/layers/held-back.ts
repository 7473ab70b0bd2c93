/** Why a layer stays where it is though the graph would free or merge it: what is not known, or has not ended. */
import { children, descendants, layerGraph } from "../graph/references.ts";
import type { JournalEntry } from "../model/journal.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";

export interface HeldBack {
  /** Null where nothing does. `isMine`: of an operation under way, is it under our locks? Then it has died. */
  reason(state: State, layer: string, isMine?: (entry: JournalEntry) => boolean): string | null;
}

/**
 * An operation that never ended must be recovered before anything under it moves; and one under way may still need a
 * file that nothing points at any more. To be looked at after the state: who took the last pointer away had his entry
 * open before.
 */
export async function heldBack({ store }: World): Promise<HeldBack> {
  const doubt = await store.doubt();
  const aside = await store.journal.aside();
  const { entries, damaged } = await store.journal.scan();
  const open = entries.map((entry) => ({ entry, data: JSON.stringify(entry.data) }));
  return {
    reason(state, layer, isMine = () => false) {
      const moving = [layer, ...children(state, layer), ...headsOfNone(state, layer)];
      const names = (text: string) => moving.some((id) => text.includes(id));
      // Something that points at it may be missing in the state
      if (doubt !== null) return `the state may lack something that needs it; it can go once ${doubt} is removed`;
      if (damaged.length > 0) return 'an entry of the journal cannot be read: see "estrato doctor"';
      // What it was about nobody knows: whatever it names is left as it is
      const kept = aside.find(({ text }) => names(text));
      if (kept !== undefined) return `a damaged journal entry names it; it can go once ${kept.path} is removed`;
      const pending = open.find(({ entry, data }) => isMine(entry) || names(data));
      return pending === undefined ? null : `"${pending.entry.command}" is under way, or had not ended`;
    },
  };
}

/**
 * Heads on it that are no volume's: who is about to put them in place holds no lock that is asked for here, and a guest
 * may be started on them as soon as they are made.
 */
function headsOfNone(state: State, layer: string): string[] {
  const graph = layerGraph(state);
  return descendants(state, layer, graph).filter((id) => state.layers[id]?.frozen === false && !graph.pointers.has(id));
}
