/** What a decision changes in the state: the only code that takes a layer out of it. */
import { EstratoError } from "../../errors.ts";
import type { State } from "../model/state.ts";
import type { Free, Merge } from "./decisions.ts";
import { type LayerGraph, layerGraph, nameOf } from "./references.ts";
import { sharedLayers } from "./shared-layers.ts";

/**
 * Carries a decision into the draft. Repeating it changes nothing. Throws "integrity", the draft untouched, where the
 * graph is no longer the one that the decision was made for: a pointer or a layer has come since. (The mark `busy`
 * keeps that from happening.)
 */
export function applyDecision(draft: State, decision: Free | Merge): void {
  applyDecisions(draft, [decision]);
}

/** Several of one instant, none of which changes anything for another. */
export function applyDecisions(draft: State, decisions: readonly (Free | Merge)[]): void {
  const [graph, shared] = [layerGraph(draft), sharedLayers(draft)];
  for (const decision of decisions) requireUnreferenced(draft, graph, shared, decision);
  for (const decision of decisions) apply(draft, decision);
}

/**
 * For who applies decisions on paper: under which layer something was read of the file that a layer has by now. A merge
 * gives one layer the file of another.
 */
export function readUnder(draft: State): (layer: string) => string {
  const before = new Map(Object.values(draft.layers).map(({ id, file }) => [file, id]));
  return (layer) => before.get(draft.layers[layer]?.file ?? "") ?? layer;
}

function apply(draft: State, decision: Free | Merge): void {
  const layer = draft.layers[decision.layer];
  if (layer === undefined) return;
  if (decision.kind === "merge") {
    const child = draft.layers[decision.child];
    if (child === undefined) throw changed(decision.layer, `${decision.child} is gone`);
    child.parent = layer.parent;
    child.busy = null;
    if (decision.way === "down") {
      child.file = layer.file;
      child.format = layer.format;
      child.foreign = layer.foreign;
    }
  }
  delete draft.layers[layer.id];
}

function requireUnreferenced(
  state: State,
  graph: LayerGraph,
  shared: ReturnType<typeof sharedLayers>,
  decision: Free | Merge,
): void {
  if (state.layers[decision.layer] === undefined) return;
  const pointer = graph.pointers.get(decision.layer)?.[0];
  if (shared.has(decision.layer)) throw changed(decision.layer, "an image on it has been shared");
  if (pointer !== undefined) throw changed(decision.layer, `${nameOf(state, pointer)} points at it`);
  const expected = decision.kind === "free" ? [] : [decision.child];
  const standing = graph.children.get(decision.layer) ?? [];
  const odd = standing.find((id) => !expected.includes(id)) ?? expected.find((id) => !standing.includes(id));
  if (odd !== undefined)
    throw changed(decision.layer, `${odd} ${standing.includes(odd) ? "stands" : "does not stand"} on it`);
}

function changed(layer: string, what: string): EstratoError {
  return new EstratoError("integrity", `layer ${layer}: was to be collected, but ${what}`, {
    hint: "Run 'estrato doctor'.",
  });
}
