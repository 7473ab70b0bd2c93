/**
 * Carries out what core/graph decides of the layers that nothing points at, one after the other, until all is quiet.
 */
import { EstratoError } from "../../errors.ts";
import { wordsOf } from "../../system-answer.ts";
import { collect as decide, nextStep } from "../graph/collect.ts";
import type { Decision } from "../graph/decisions.ts";
import type { State } from "../model/state.ts";
import { joined } from "../operations/locks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { type Ahead, lookAt, takeAhead } from "./ahead.ts";
import { candidates } from "./candidates.ts";
import { heldBack } from "./held-back.ts";
import { locksOn, readFacts } from "./holders.ts";

/**
 * Frees and merges all that can be freed or merged now. Never waits for another command, and never fails the verb that
 * called it: what does not go now goes the next time, and a note says why. `held`: the locks of that verb, which are
 * not taken anew while each layer needs all of them, and let go as soon as one does not.
 */
export async function collect(world: World, held: HeldLocks | null = null): Promise<void> {
  const [failed, passed] = [new Set<string>(), new Set<string>()];
  for (let kept = held; ; ) {
    const state = await world.store.read();
    const open = candidates(state).filter((id) => !failed.has(id) && !passed.has(id));
    const layer = await nextOf(world, state, open);
    if (layer === undefined) return;
    passed.add(layer);
    const wanted = locksFor(state, layer);
    if (kept?.names.some((name) => !wanted.includes(name))) {
      await kept.release();
      kept = null;
    }
    try {
      // What stood in the way of the others may have ended by now.
      if (await attempt(world, layer, wanted, kept)) passed.clear();
    } catch (error) {
      failed.add(layer);
      if (error instanceof EstratoError && error.code === "interrupted") throw error;
      world.report.note(`${layer}: not collected now (${wordsOf(error)}); it will be tried again`);
    }
  }
}

/**
 * Of several that could go, the one that goes first; none where nobody can say now, and a note says why. One alone is
 * decided on under its locks, and only there.
 */
async function nextOf(world: World, state: State, open: readonly string[]): Promise<string | undefined> {
  if (open.length < 2) return open[0];
  try {
    const decisions = decide(state, await readFacts(world, state, open));
    return nextStep(decisions.filter((one) => open.includes(one.layer)))?.layer;
  } catch (error) {
    if (error instanceof EstratoError && error.code === "interrupted") throw error;
    world.report.note(`nothing is collected now (${wordsOf(error)}); it will be tried again`);
    return undefined;
  }
}

/** Has anything been freed or merged? `kept`: of the `wanted` locks those that are held. */
async function attempt(
  world: World,
  layer: string,
  wanted: readonly string[],
  kept: HeldLocks | null,
): Promise<boolean> {
  let taken: HeldLocks;
  try {
    taken = await world.store.lock(
      wanted.filter((name) => !kept?.names.includes(name)),
      0,
    );
  } catch (error) {
    // Somebody works there, and collects after it
    if (error instanceof EstratoError && error.code === "conflict") return false;
    throw error;
  }
  try {
    const locks = kept === null ? taken : joined(kept, taken);
    const decision = await settle(world, locks, layer, { ahead: takeAhead(kept, layer) });
    return decision?.kind === "free" || decision?.kind === "merge";
  } finally {
    await taken.release();
  }
}

/** The locks that `settle` needs for a layer. */
export const locksFor = (state: State, layer: string): string[] => [...locksOn(state, [layer]), layer];

/**
 * Decides on one layer and, where it can be freed or merged now, does it; `pullsIn`: also where it is another user's.
 * `ahead`: what was asked before, under those of the locks that were held then. Returns the decision; null where the
 * layer is gone, or the locks are not those that it needs, an operation under them has not ended, or another has begun
 * on the layer's chain.
 */
export async function settle(
  world: World,
  locks: HeldLocks,
  layer: string,
  { pullsIn = false, ahead = null }: { readonly pullsIn?: boolean; readonly ahead?: Ahead | null } = {},
): Promise<Decision | null> {
  // Asked again, now that nobody can change the answer.
  const state = await world.store.read();
  if (locksOn(state, [layer]).some((name) => !locks.names.includes(name))) return null;
  if (state.layers[layer] === undefined) return null;
  if (await pendingOn(world, state, locks, layer)) return null;
  const decision = (await ahead?.(state)) ?? (await lookAt(world, state, layer, pullsIn));
  if (decision?.kind !== "free" && decision?.kind !== "merge") return decision;
  const { carryOut } = await import("./merge.ts");
  return (await carryOut(world, locks, state, decision)) ? decision : null;
}

/** Does anything keep it from being moved that is not in the graph? Asked after the state. */
export async function pendingOn(world: World, state: State, locks: HeldLocks, layer: string): Promise<boolean> {
  const held = await heldBack(world);
  return held.reason(state, layer, (entry) => entry.locks.some((name) => locks.names.includes(name))) !== null;
}
