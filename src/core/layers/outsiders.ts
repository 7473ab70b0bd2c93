/**
 * Who stands on a layer, or names its file, without being in the graph: what collecting asks before it moves or frees
 * it (DESIGN.md, invariant 12).
 */
import { filesInUse } from "../in-use.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";

/** For each of these layers who names its file from outside, in words: "instance web1 vda". Not of what is borrowed. */
export async function outsidersOn(
  world: World,
  state: State,
  layers: readonly string[],
): Promise<Map<string, readonly string[]>> {
  const own = layers.flatMap((id) => state.layers[id] ?? []).filter(({ borrowed }) => borrowed === undefined);
  const found = new Map<string, readonly string[]>();
  if (own.length === 0) return found;
  const inUse = await filesInUse(world, state, "outsiders");
  for (const { id, file } of own) {
    const users = await inUse.outsiders(file);
    if (users.length > 0) found.set(id, [...new Set(users.map(({ name }) => name))]);
  }
  return found;
}
