/** What people are shown of a free or merge: its steps, and their titles. Loads nothing of what carries it out. */
import { lentWords } from "../graph/borrowed.ts";
import type { Free, Merge } from "../graph/decisions.ts";
import { mergeEffects } from "../graph/effects.ts";
import type { State } from "../model/state.ts";
import type { Step } from "../operations/steps.ts";
import { goingOn, takenApart } from "./pivot.ts";

/** The steps of a decision, without its marks: for the plan of a dry run. `pause`: as mustPause says. */
export function mergeSteps(state: State, decision: Free | Merge, pause: boolean): Step[] {
  const effects = mergeEffects(state, decision);
  const titles = titlesOf(state, decision);
  return [
    {
      id: "merge",
      title: titles.work,
      actions: takenApart(effects.work, state, decision, pause),
    },
    {
      id: "relink",
      title: "Re-point what stands on it",
      actions: [...effects.settle, ...goingOn(state, decision, pause)],
    },
    { id: "remove-file", title: titles.last, actions: effects.cleanup },
  ].filter((step) => step.actions.length > 0);
}

/** What people read of its two chief steps. */
export function titlesOf(state: State, decision: Free | Merge): { readonly work: string; readonly last: string } {
  const layer = state.layers[decision.layer];
  const what = layer?.borrowed === undefined ? null : lentWords(layer.borrowed);
  const last = what === null ? "Remove the old file" : `Let go of ${what}`;
  if (decision.kind === "free") return { work: "Free the layer", last };
  return { work: what === null ? `Merge the layer ${decision.way}` : `Pull ${what} in`, last };
}
