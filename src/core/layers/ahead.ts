/**
 * What collecting asks of the host about a layer, and asking it ahead: while the verb that takes the last pointer away
 * is still at work, under the same locks.
 */
import { collect as decideAll, isSameChain } from "../graph/collect.ts";
import type { CollectFacts, Decision } from "../graph/decisions.ts";
import { pointersAt } from "../graph/references.ts";
import type { Snapshot, State } from "../model/state.ts";
import type { HeldLocks, World } from "../ports.ts";
import { locksOn, outsidersNear, readFacts } from "./holders.ts";

/** Decides on a layer by all that says whether it can go. `pullsIn`: also where it is another user's. */
export async function lookAt(world: World, state: State, layer: string, pullsIn: boolean): Promise<Decision | null> {
  const facts = { ...(await readFacts(world, state, [layer])), ...(pullsIn ? { pulledIn: layer } : {}) };
  const decision = decideOn(state, layer, facts);
  if (decision?.kind !== "free" && decision?.kind !== "merge") return decision;
  // Who else names the files takes a look at all domains and folders: only for what would go
  return decideOn(state, layer, { ...facts, outsiders: await outsidersNear(world, state, [layer]) });
}

function decideOn(state: State, layer: string, facts: CollectFacts): Decision | null {
  return decideAll(state, facts).find((one) => one.layer === layer) ?? null;
}

/** A look that has begun. What it says in `state`; null where the chain is another there, or there was no answer. */
export type Ahead = (state: State) => Promise<Decision | null>;

const begun = new WeakMap<HeldLocks, { readonly layer: string; readonly ahead: Ahead }>();

/**
 * Begins to look at the one layer at which nothing but these snapshots points: for who is about to forget them, does
 * nothing else to what stands on it, and holds the locks of all that do. Collecting that keeps the locks goes by it.
 */
export function lookAhead(world: World, locks: HeldLocks, state: State, doomed: readonly Snapshot[]): void {
  if (world.dryRun || world.inCompany) return;
  const ids = new Set(doomed.map(({ id }) => id));
  const layers = new Set(doomed.flatMap(({ disks }) => disks.map(({ layer }) => layer)));
  const [layer, ...others] = [...layers].filter((one) => pointersAt(state, one).every(({ id }) => ids.has(id)));
  if (layer === undefined || others.length > 0) return;
  if (locksOn(state, [layer]).some((name) => !locks.names.includes(name))) return;
  const looking = readFacts(world, state, [layer], { outsiders: true }).catch(() => null); // who asks again is told why
  const ahead: Ahead = async (now) => {
    const facts = isSameChain(state, now, layer) ? await looking : null;
    return facts === null ? null : decideOn(now, layer, facts);
  };
  begun.set(locks, { layer, ahead });
}

/** The look at the layer that was begun under these locks, which have been held since. It is good for once. */
export function takeAhead(locks: HeldLocks | null, layer: string): Ahead | null {
  const found = locks === null ? undefined : begun.get(locks);
  if (locks !== null) begun.delete(locks);
  return found?.layer === layer ? found.ahead : null;
}
