/**
 * In a dry run: an operation that must come before the verb's own. It is planned, the store answers from here on as if
 * it were done, and its steps precede the verb's in the plan that people see.
 */
import { deepCopy } from "../model/deep-copy.ts";
import type { State } from "../model/state.ts";
import type { StorePort, World } from "../ports.ts";
import { isPlan, type PlanView } from "./steps.ts";

const first = new WeakMap<StorePort, PlanView[]>();

/** `change`: what the operation would record. The state itself is not touched: a dry run stores nothing. */
export async function planFirst(world: World, plan: PlanView, change: (draft: State) => void): Promise<void> {
  const { store } = world;
  const state = deepCopy(await store.read());
  change(state);
  store.read = async () => deepCopy(state);
  first.set(store, [...(first.get(store) ?? []), plan]);
}

/** A verb's answer: its plan with what precedes it; whatever else it answers stays as it is. */
export function withPlannedFirst<T>(world: World, answer: T): T {
  const before = first.get(world.store);
  if (before === undefined || !isPlan(answer)) return answer;
  first.delete(world.store);
  const all = [...before, answer];
  return {
    ...answer,
    steps: all.flatMap(({ steps }) => steps),
    notes: all.flatMap(({ notes }) => notes),
  };
}
