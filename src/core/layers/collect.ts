/**
 * Carries out what core/graph decides of the layers that nothing points at, one after the other, until all is quiet.
 */
import { EstratoError } from "../../errors.ts";
import { wordsOf } from "../../system-answer.ts";
import { isBorrowedBackup } from "../graph/borrowed.ts";
import { collect as decide, nextStep } from "../graph/collect.ts";
import type { CollectFacts, Decision } from "../graph/decisions.ts";
import { eachPointer, layerGraph } from "../graph/references.ts";
import type { State } from "../model/state.ts";
import type { HeldLocks, World } from "../ports.ts";
import { heldBack } from "./held-back.ts";
import { locksOn, outsidersNear, readFacts } from "./holders.ts";

/**
 * Layers that could go: nothing points at them, and at most one layer stands on them. Costs no look at the machine. Not
 * a backup's that are still read: what they hold may take hours to pull in, and no other command is to wait for that
 * (`settle` does it).
 */
export function candidates(state: State): string[] {
  const pointedAt = new Set<string>();
  eachPointer(state, (layer) => pointedAt.add(layer));
  // Next to none in most states: only of them is it counted who stands on them.
  const open = Object.values(state.layers).filter(({ id }) => !pointedAt.has(id));
  if (open.length === 0) return [];
  const { children } = layerGraph(state);
  return open
    .filter((layer) => (children.get(layer.id)?.length ?? 0) <= (isBorrowedBackup(layer) ? 0 : 1))
    .map(({ id }) => id);
}

/**
 * Frees and merges all that can be freed or merged now. Never waits for another command, and never fails the verb that
 * called it: what does not go now goes the next time, and a note says why.
 */
export async function collect(world: World): Promise<void> {
  const [failed, passed] = [new Set<string>(), new Set<string>()];
  for (;;) {
    const state = await world.store.read();
    const open = candidates(state).filter((id) => !failed.has(id) && !passed.has(id));
    if (open.length === 0) return;
    const layer = await nextOf(world, state, open);
    if (layer === undefined) return;
    passed.add(layer);
    try {
      // What stood in the way of the others may have ended by now.
      if (await attempt(world, state, layer)) passed.clear();
    } catch (error) {
      failed.add(layer);
      if (error instanceof EstratoError && error.code === "interrupted") throw error;
      world.report.note(`${layer}: not collected now (${wordsOf(error)}); it will be tried again`);
    }
  }
}

/** Of several that could go, the one that goes first. One alone is decided on under its locks, and only there. */
async function nextOf(world: World, state: State, open: readonly string[]): Promise<string | undefined> {
  const [only, ...others] = open;
  if (others.length === 0) return only;
  const decisions = decide(state, await readFacts(world, state, open));
  return nextStep(decisions.filter((one) => open.includes(one.layer)))?.layer;
}

/** Has anything been freed or merged? */
async function attempt(world: World, seen: State, layer: string): Promise<boolean> {
  let locks: HeldLocks;
  try {
    locks = await world.store.lock(locksFor(seen, layer), 0);
  } catch (error) {
    // Somebody works there, and collects after it
    if (error instanceof EstratoError && error.code === "conflict") return false;
    throw error;
  }
  try {
    const decision = await settle(world, locks, layer);
    return decision?.kind === "free" || decision?.kind === "merge";
  } finally {
    await locks.release();
  }
}

/** The locks that `settle` needs for a layer. */
export const locksFor = (state: State, layer: string): string[] => [...locksOn(state, [layer]), layer];

/**
 * Decides on one layer and, where it can be freed or merged now, does it; `pullsIn`: also where it is another user's.
 * Returns the decision; null where the layer is gone, or the locks are not those that it needs, an operation under them
 * has not ended, or another has begun on the layer's chain.
 */
export async function settle(
  world: World,
  locks: HeldLocks,
  layer: string,
  { pullsIn = false }: { readonly pullsIn?: boolean } = {},
): Promise<Decision | null> {
  // Asked again, now that nobody can change the answer.
  const state = await world.store.read();
  if (locksOn(state, [layer]).some((name) => !locks.names.includes(name))) return null;
  if (state.layers[layer] === undefined) return null;
  if (await pendingOn(world, state, locks, layer)) return null;
  const facts = await readFacts(world, state, [layer]);
  const decideBy = (all: CollectFacts) =>
    decide(state, pullsIn ? { ...all, pulledIn: layer } : all).find((one) => one.layer === layer) ?? null;
  const own = decideBy(facts);
  if (own?.kind !== "free" && own?.kind !== "merge") return own;
  // Who else names the files takes a look at all domains and folders: only for what would go
  const decision = decideBy({ ...facts, outsiders: await outsidersNear(world, state, [layer]) });
  if (decision?.kind !== "free" && decision?.kind !== "merge") return decision;
  const { carryOut } = await import("./merge.ts");
  return (await carryOut(world, locks, state, decision)) ? decision : null;
}

/** Does anything keep it from being moved that is not in the graph? Asked after the state. */
export async function pendingOn(world: World, state: State, locks: HeldLocks, layer: string): Promise<boolean> {
  const held = await heldBack(world);
  return held.reason(state, layer, (entry) => entry.locks.some((name) => locks.names.includes(name))) !== null;
}
