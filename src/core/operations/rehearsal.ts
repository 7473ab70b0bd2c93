/** In a dry run: a world in which some steps seem done, so that what comes after them can be planned too. */
import { deepCopy } from "../model/deep-copy.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";

/**
 * The same world, where changes of the state and of records are remembered in memory alone, and actions do nothing:
 * what is planned in it is planned as if all of them were done.
 */
export async function rehearsed(world: World): Promise<World> {
  let state: State = deepCopy(await world.store.read());
  const records = new Map<string, string>();
  const { store } = world;
  return {
    ...world,
    rehearsal: true,
    host: { ...world.host, perform: async () => undefined },
    store: {
      ...store,
      read: async () => deepCopy(state),
      update: async (change) => {
        const draft = deepCopy(state);
        const result = change(draft);
        state = draft;
        return result;
      },
      writeRecord: async (name, text) => void records.set(name, text),
      findRecord: async (name) => records.get(name) ?? store.findRecord(name),
      readRecord: async (name) => records.get(name) ?? store.readRecord(name),
      removeRecord: async () => undefined,
    },
  };
}
