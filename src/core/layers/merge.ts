/** One free or merge, journaled: the order of steps that makes a kill at any instant harmless (core/graph/effects.ts says why). */
import { EstratoError } from "../../errors.ts";
import type { Action } from "../../host/types.ts";
import type { JournalEntry, State } from "../../store/schema.ts";
import type { Abandon, Free, Merge } from "../graph/decisions.ts";
import { type Effects, mergeEffects } from "../graph/effects.ts";
import { resumeMerge } from "../graph/resume.ts";
import { execute, type Outcome, perform, type Step } from "../operation.ts";
import type { HeldLocks, World } from "../ports.ts";
import { requireUnheld } from "../snapshots/create.ts";
import { readFacts } from "./holders.ts";

interface MergeData {
  readonly decision: Free | Merge;
  /** What `busy` says on the layers while this is under way. */
  readonly mark: string;
  /** From the decided effects: the state forgets these paths. */
  readonly cleanup: readonly Action[];
  readonly unheld: readonly string[];
}

/** The steps of a decision, without its marks: for the plan of a dry run. */
export function mergeSteps(state: State, decision: Free | Merge): Step[] {
  const effects = mergeEffects(state, decision);
  return [
    {
      title: decision.kind === "free" ? "Free the layer" : `Merge the layer ${decision.way === "up" ? "up" : "down"}`,
      actions: effects.work,
    },
    { title: "Re-point what stands on it", actions: effects.settle },
    { title: "Remove the old file", actions: effects.cleanup },
  ].filter((step) => step.actions.length > 0);
}

/** Carries out a decision under the locks of all who stand on the layer. Afterwards the layer is gone, and all else reads as before. */
export async function carryOut(world: World, locks: HeldLocks, state: State, decision: Free | Merge): Promise<void> {
  const effects = mergeEffects(state, decision);
  if (effects.locks.some((name) => !locks.names.includes(name))) return; // somebody new stands on it: the next collecting asks again
  const id = world.ids.next("op");
  const data: MergeData = { decision, mark: id, cleanup: effects.cleanup, unheld: effects.unheld };
  const steps: Step[] = [
    { title: "Mark the layers", run: () => markBusy(world, effects, id) },
    { title: "Move the data", actions: effects.work },
    { title: "Re-point what stands on it", actions: effects.settle },
    { title: "Record", run: () => recordMerge(world, effects, id) },
    { title: "Look whether anybody holds the old file", run: () => requireAllUnheld(world, effects.unheld) },
    { title: "Remove the old file", actions: effects.cleanup },
  ];
  await execute(world, locks, { id, kind: "layer.merge", target: decision.layer, data, steps }, recoverMerge);
}

async function markBusy(world: World, effects: Effects, mark: string): Promise<void> {
  await world.store.update((draft) => {
    for (const id of effects.marks) {
      const layer = draft.layers[id];
      if (layer !== undefined) layer.busy = mark;
    }
    // Nobody may have come since we decided: tried on a copy, the change must fit the graph as it is now.
    effects.after(structuredClone(draft));
  });
}

async function recordMerge(world: World, effects: Effects, mark: string): Promise<void> {
  await world.store.update((draft) => {
    effects.after(draft);
    for (const layer of Object.values(draft.layers)) if (layer.busy === mark) layer.busy = null;
  });
}

async function requireAllUnheld(world: World, paths: readonly string[]): Promise<void> {
  for (const path of paths) await requireUnheld(world, path);
}

/** A merge that never ended: the same way on, or back where it had not begun. Throws "conflict" where a guest must stop first. */
export async function recoverMerge(world: World, locks: HeldLocks, entry: JournalEntry): Promise<Outcome> {
  const { decision, mark, cleanup, unheld } = entry.data as MergeData;
  const state = await world.store.read();
  const layer = state.layers[decision.layer];
  if (layer !== undefined) {
    if (layer.busy !== mark) return "back";
    const resumed = decision.kind === "free" ? decision : await resume(world, locks, state, decision);
    if (resumed !== null) {
      const effects = mergeEffects(state, resumed);
      await perform(world, locks, [...effects.work, ...effects.settle]);
      await recordMerge(world, effects, mark);
      if (resumed.kind === "abandon") return "back";
    }
  }
  await requireAllUnheld(world, unheld);
  await perform(world, locks, cleanup);
  return "forward";
}

async function resume(world: World, locks: HeldLocks, state: State, decision: Merge): Promise<Merge | Abandon | null> {
  if (decision.live !== null) {
    const { instance, device } = decision.live;
    // libvirt may have worked on after our death. A commit of a head never ends by itself: it waits for a pivot.
    const abort = decision.way === "down" && decision.head;
    await perform(world, locks, [{ do: "settle-job", domain: instance, device, abort }]);
  }
  const facts = await readFacts(world, state, [decision.layer, decision.child], { trustQemu: true });
  const resumed = resumeMerge(state, facts, decision);
  if (resumed?.kind !== "defer") return resumed;
  throw new EstratoError("conflict", `layer ${decision.layer}: ${resumed.reason}`, {
    hint: `Stop first: ${resumed.by.join(", ")}.`,
  });
}
