/** The lock of an instance, by what a person calls it. */
import { rowsNaming } from "../model/passing.ts";
import type { State } from "../model/state.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { findInstance, OtherMeant } from "./find.ts";

/**
 * Runs `work` under the lock of the instance of this id or name. Where we remember one of that name, it is looked at
 * once, by `work` (findAgain), which is told what was `meant`; only where libvirt calls another one so is it asked
 * before. Throws as findInstance and withLocks.
 */
export async function withInstance<T>(
  world: World,
  target: string,
  work: (locks: HeldLocks, uuid: string, meant?: string) => Promise<T>,
): Promise<T> {
  const remembered = rememberedAs(await world.store.read(), target);
  if (remembered !== null) {
    try {
      return await withLocks(world, [remembered], (locks) => work(locks, remembered, target));
    } catch (error) {
      if (!(error instanceof OtherMeant)) throw error;
    }
  }
  const { status } = await findInstance(world, target);
  return withLocks(world, [status.uuid], (locks) => work(locks, status.uuid));
}

/** The id of the only instance of this id or name; null where none is, or libvirt has none of it. */
function rememberedAs(state: State, target: string): string | null {
  const named = rowsNaming(state, "instances", [target]);
  const [one, ...others] = named.filter(({ id, name }) => id === target || name === target);
  return one !== undefined && one.shelved === null && others.length === 0 ? one.id : null;
}
