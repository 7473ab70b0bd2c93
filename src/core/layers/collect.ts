/** Carries out what core/graph decides of the layers that nothing points at, one after the other, until all is quiet. */
import { EstratoError } from "../../errors.ts";
import type { State } from "../../store/schema.ts";
import { collect as decide, nextStep } from "../graph/collect.ts";
import type { Free, Merge } from "../graph/decisions.ts";
import { layerGraph } from "../graph/references.ts";
import type { HeldLocks, World } from "../ports.ts";
import { locksOn, readFacts } from "./holders.ts";

/** Layers that could go: nothing points at them, and at most one layer stands on them. Costs no look at the machine. */
export function candidates(state: State): string[] {
  const graph = layerGraph(state);
  return Object.keys(state.layers).filter((id) => !graph.pointers.has(id) && (graph.children.get(id)?.length ?? 0) < 2);
}

/**
 * Frees and merges all that can be freed or merged now. Never waits for another command, and never fails the verb that called it:
 * what does not go now goes the next time, and a note says why.
 */
export async function collect(world: World): Promise<void> {
  const tried = new Set<string>();
  for (;;) {
    const state = await world.store.read();
    const open = candidates(state).filter((id) => !tried.has(id));
    if (open.length === 0) return;
    const facts = await readFacts(world, state, open);
    const decision = nextStep(decide(state, facts).filter((one) => open.includes(one.layer)));
    if (decision === undefined) return;
    tried.add(decision.layer);
    try {
      await attempt(world, state, decision);
    } catch (error) {
      if (error instanceof EstratoError && error.code === "interrupted") throw error;
      world.report.note(
        `${decision.layer}: not collected now (${error instanceof Error ? error.message : String(error)}); it will be tried again`,
      );
    }
  }
}

async function attempt(world: World, seen: State, decision: Free | Merge): Promise<void> {
  const names = [...locksOn(seen, [decision.layer]), decision.layer];
  let locks: HeldLocks;
  try {
    locks = await world.store.lock(names, 0);
  } catch (error) {
    if (error instanceof EstratoError && error.code === "conflict") return; // somebody works there, and collects after it
    throw error;
  }
  try {
    // Asked again, now that nobody can change the answer.
    const state = await world.store.read();
    if (locksOn(state, [decision.layer]).some((name) => !locks.names.includes(name))) return;
    if (await pendingOn(world, locks)) return;
    if (state.layers[decision.layer] === undefined) return;
    const facts = await readFacts(world, state, [decision.layer]);
    const again = decide(state, facts).find((one) => one.layer === decision.layer);
    if (again === undefined || (again.kind !== "free" && again.kind !== "merge")) return;
    const { carryOut } = await import("./merge.ts");
    await carryOut(world, locks, state, again);
  } finally {
    await locks.release();
  }
}

/** An operation that never ended must be recovered before anything under it moves. */
async function pendingOn(world: World, locks: HeldLocks): Promise<boolean> {
  const entries = await world.store.journal.list();
  return entries.some((entry) => entry.locks.some((name) => locks.names.includes(name)));
}
