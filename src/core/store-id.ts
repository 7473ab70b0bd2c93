import type { World } from "./ports.ts";

/** What this store is called in targets and in marks: chosen when it is needed first, and remembered. */
export async function storeIdOf(world: World): Promise<string> {
  const { storeId } = await world.store.read();
  if (storeId !== null) return storeId;
  const chosen = world.ids.uuid();
  if (world.dryRun) return chosen;
  return world.store.update((draft) => {
    draft.storeId ??= chosen;
    return draft.storeId;
  });
}
