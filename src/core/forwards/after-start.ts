/**
 * What QEMU serves itself it forgets with each process, and no definition holds it: it is told anew whenever a guest
 * has been started, or resumed from a memory, by whatever verb or recovery.
 */
import type { Action } from "../model/action.ts";
import type { World } from "../ports.ts";

/** What is to follow this action. */
export async function followingOf(world: World, action: Action): Promise<readonly Action[]> {
  if (action.do !== "start" && action.do !== "restore-memory") return [];
  const { instances } = await world.store.read();
  const { backend, forwards = [] } = instances[action.domain]?.userNetwork ?? {};
  if (backend !== "qemu" || forwards.length === 0) return [];
  return [{ do: "set-forwards", domain: action.domain, forwards }];
}
