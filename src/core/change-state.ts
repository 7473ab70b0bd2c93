/** A change that is nothing but a change of what is remembered: one transaction, no journal. */
import type { State } from "./model/state.ts";
import type { PlanView } from "./operations/steps.ts";
import type { StorePort } from "./ports.ts";

/**
 * Makes `change` and returns what it returns; with `dryRun` tries it on a copy (throwing as it would) and returns the
 * plan.
 */
export async function changeState<T>(
  store: StorePort,
  dryRun: boolean,
  title: string,
  change: (draft: State) => T,
): Promise<T | PlanView> {
  if (!dryRun) return store.update(change);
  const { withChange } = await import("./model/drafts.ts"); // nearly every line loads this file
  withChange(await store.read(), (draft) => void change(draft));
  return { steps: [{ title, commands: [] }], notes: [], freesBytes: null };
}
