/**
 * What collecting asks of the host about a layer, and asking it ahead: while the verb that takes the last pointer away
 * is still at work, under the same locks.
 */
import { collect as decideAll, isSameChain } from "../graph/collect.ts";
import type { CollectFacts, Decision } from "../graph/decisions.ts";
import { withChange } from "../model/drafts.ts";
import type { State } from "../model/state.ts";
import type { HeldLocks, World } from "../ports.ts";
import { candidates } from "./candidates.ts";
import { locksOn, outsidersNear, readFacts } from "./holders.ts";

export interface Look {
  readonly decision: Decision | null;
  /** By what was found, in another state with the same chain; null where not all was asked. */
  readonly again: ((state: State) => Decision | null) | null;
}

/** Looks at all that says whether the layer can go. `pullsIn`: also where it is another user's. */
export async function lookAt(world: World, state: State, layer: string, pullsIn = false): Promise<Look> {
  const decideBy = (state: State, facts: CollectFacts) =>
    decideAll(state, pullsIn ? { ...facts, pulledIn: layer } : facts).find((one) => one.layer === layer) ?? null;
  const own = await readFacts(world, state, [layer]);
  const decision = decideBy(state, own);
  if (decision?.kind !== "free" && decision?.kind !== "merge") return { decision, again: null };
  // Who else names the files takes a look at all domains and folders: only for what would go
  const all = { ...own, outsiders: await outsidersNear(world, state, [layer]) };
  return { decision: decideBy(state, all), again: (now) => decideBy(now, all) };
}

/** A look that has begun. Its answer for `state`; null where the chain is another there, or not all was asked. */
export type Ahead = (state: State) => Promise<Decision | null>;

const begun = new WeakMap<HeldLocks, { readonly layer: string; readonly ahead: Ahead }>();

/**
 * Begins to look at the one layer that could go once `change` is made: for who is about to make it, does nothing else
 * to what stands on the layer, and holds the locks of all that do. Collecting that keeps the locks goes by it.
 */
export function lookAhead(world: World, locks: HeldLocks, state: State, change: (draft: State) => void): void {
  if (world.dryRun || world.inCompany) return;
  const then = withChange(state, change);
  const [layer, ...others] = candidates(then);
  if (layer === undefined || others.length > 0) return;
  if (locksOn(then, [layer]).some((name) => !locks.names.includes(name))) return;
  const looking = lookAt(world, then, layer).catch(() => null); // who asks again is told why
  const ahead: Ahead = async (now) => {
    if (!isSameChain(then, now, layer)) return null;
    return (await looking)?.again?.(now) ?? null;
  };
  begun.set(locks, { layer, ahead });
}

/** The look at the layer that was begun under these locks, which have been held since. It is good for once. */
export function takeAhead(locks: HeldLocks | null, layer: string): Ahead | null {
  const found = locks === null ? undefined : begun.get(locks);
  if (locks !== null) begun.delete(locks);
  return found?.layer === layer ? found.ahead : null;
}
