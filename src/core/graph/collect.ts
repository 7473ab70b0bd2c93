/**
 * The one place that decides what becomes of a layer that nothing points at (DESIGN.md, section 1): freed, merged,
 * kept or deferred.
 * Pure: the graph and the facts in, decisions out. Nothing else in the program decides this.
 */
import { isDeepStrictEqual } from "node:util";
import { compareTexts } from "../../order.ts";
import type { State } from "../model/state.ts";
import type { CollectFacts, Decision, Defer, Free, Holder, Keep, Merge } from "./decisions.ts";
import { carriedLayers, chooseWay, heldBy, lastingObstacle, liveDisk, sameDisk } from "./merging.ts";
import {
  chainOrNull,
  descendantHeads,
  descendants,
  instanceDisk,
  type LayerGraph,
  layerGraph,
  standingOn,
} from "./references.ts";
import { sharedLayers } from "./shared-layers.ts";

/**
 * One decision for each layer that nothing points at; frees first, then merges by the bytes they move, then what stays,
 * those alike by the ids of their layers: on paper (accounting.ts) as in truth, whatever the order of the rows. They
 * are alternatives of one instant: perform the first free or merge, and ask again, since each changes the graph for the
 * next.
 */
export function collect(state: State, facts: CollectFacts): Decision[] {
  const graph = layerGraph(state);
  const shared = sharedLayers(state);
  return Object.keys(state.layers)
    .filter((id) => !graph.pointers.has(id))
    .map((id) => decide(state, facts, graph, shared, id))
    .sort((a, b) => rank(a) - rank(b) || compareTexts(a.layer, b.layer));
}

/** The first decision that can be carried out; undefined where all is quiet. */
export function nextStep(decisions: readonly Decision[]): Free | Merge | undefined {
  return decisions.find((decision) => decision.kind === "free" || decision.kind === "merge");
}

/**
 * Is all that was known of a layer's chain when it was decided on still so? Where no volume stands on it, but images or
 * snapshots that were reverted away from, no lock but the layer's own is asked for: then two commands may decide on
 * neighbours at the same time, or a new head be recorded on it.
 */
export function isSameChain(before: State, now: State, layer: string): boolean {
  return isDeepStrictEqual(chainAround(before, layer), chainAround(now, layer));
}

function chainAround(state: State, id: string): unknown {
  const around = [...(chainOrNull(state, id) ?? []), ...descendants(state, id)];
  const heads = descendantHeads(state, id).map(({ head, instance, device }) => ({ head, instance, device }));
  return { layers: around.map((one) => state.layers[one]), heads };
}

function rank(decision: Decision): number {
  if (decision.kind === "free") return -1;
  return decision.kind === "merge" ? decision.bytes : Number.POSITIVE_INFINITY;
}

function decide(
  state: State,
  facts: CollectFacts,
  graph: LayerGraph,
  shared: ReturnType<typeof sharedLayers>,
  id: string,
): Decision {
  const layer = state.layers[id];
  const below = chainOrNull(state, id);
  if (layer === undefined || below === null) return damaged(id, "what it stands on is missing or stands on itself");
  const standing = graph.children.get(id) ?? [];
  const [only, second] = standing;
  if (only === undefined) return decideFree(state, facts, id);
  if (second !== undefined) {
    const by = standing.flatMap((child) => standingOn(state, child, graph));
    return { kind: "keep", layer: id, because: "shared", reason: `${standing.length} layers stand on it`, by };
  }
  const images = shared.get(id);
  if (images !== undefined) {
    const by = images.map(({ name }) => `image ${name}`);
    return { kind: "keep", layer: id, because: "lent", reason: "others use it through a shared image", by };
  }
  const child = state.layers[only];
  if (child === undefined) return damaged(id, `${only}, which stands on it, is missing`);
  const lasting = lastingObstacle(layer, child, facts) ?? named(facts, id, child.id);
  if (lasting !== null) return lasting;
  const near = [...below, child.id, ...descendants(state, child.id, graph)];
  const passing =
    busy(state, id, near) ??
    away(state, facts, id, [...below, child.id]) ??
    blocked(state, facts, id, child.id) ??
    mismatch(state, facts, graph, id, child.id);
  if (passing !== null) return passing;
  const live = liveDisk(state, graph, layer, child, heldBy(facts, id, child.id));
  if (live !== null && "kind" in live) return live;
  const way = chooseWay(state, graph, layer, child, live, facts);
  return {
    kind: "merge",
    layer: id,
    child: child.id,
    way,
    live,
    head: !child.frozen,
    carried: way === "down" ? carriedLayers(state, child.id, facts, graph) : [],
    moved: false,
    bytes: facts.ownBytes(way === "up" ? id : child.id),
  };
}

function decideFree(state: State, facts: CollectFacts, id: string): Decision {
  const holders = facts.holders.get(id) ?? [];
  const stopped = busy(state, id, chainOrNull(state, id) ?? []) ?? blocked(state, facts, id, id);
  if (stopped !== null) return stopped;
  // Nothing recorded uses it, and yet a guest has it open: reality knows better than the record.
  if (holders.length > 0) return defer(state, id, "it is in use though nothing recorded stands on it", holders);
  const layer = state.layers[id];
  if (layer?.foreign == null) return named(facts, id) ?? { kind: "free", layer: id };
  // A user's file that stands on ours stays his when we forget it: then it is not forgotten, and keeps what it needs.
  const ours = (chainOrNull(state, id) ?? []).find((below) => state.layers[below]?.foreign === null);
  // It is to get its owner and mode back.
  if (ours === undefined) return away(state, facts, id, [id]) ?? { kind: "free", layer: id };
  const reason = `${layer.file}, which is not ours, stands on layer ${ours} of ours`;
  return { kind: "keep", layer: id, because: "foreign", reason, by: [] };
}

/** Nothing may move under whoever names one of these files without being in the graph. */
function named(facts: CollectFacts, ...ids: readonly string[]): Keep | null {
  const by = [...new Set(ids.flatMap((id) => facts.outsiders?.(id) ?? []))];
  if (by.length === 0) return null;
  const reason = "others that are not adopted use it";
  return { kind: "keep", layer: ids[0] ?? "", because: "named", reason, by };
}

/** Another operation rewrites a file of this chain, below or above: its headers and ours would cross. */
function busy(state: State, id: string, near: readonly string[]): Defer | null {
  const operation = near.map((layer) => state.layers[layer]?.busy).find((mark) => mark);
  return operation ? { kind: "defer", layer: id, reason: `${operation} is at work on this chain`, by: [] } : null;
}

/** What is not there can be neither read nor written nor given back: what was begun could not even be undone. */
function away(state: State, facts: CollectFacts, id: string, chain: readonly string[]): Defer | null {
  const missing = chain.find((layer) => facts.isThere?.(layer) === false);
  return missing === undefined ? null : defer(state, id, `${state.layers[missing]?.file} is not there`, []);
}

/** Somebody on the layer, or on the only one above it, is in no condition to have files moved under him. */
export function blocked(state: State, facts: CollectFacts, id: string, child: string): Defer | null {
  const holder = heldBy(facts, id, child).all.find((one) => one.blocked !== undefined);
  return holder?.blocked === undefined ? null : defer(state, id, holder.blocked, [holder]);
}

/**
 * One layer stands on `id`, so whoever runs on either runs on both, and whoever runs on a layer above runs on these
 * too. Where QEMU says otherwise its chain is not the recorded one, and nothing may be moved by the record.
 */
function mismatch(state: State, facts: CollectFacts, graph: LayerGraph, id: string, child: string): Defer | null {
  const { layer: under, child: over } = heldBy(facts, id, child);
  const above = descendants(state, child, graph).flatMap((up) => facts.holders.get(up) ?? []);
  const lacks = (holders: readonly Holder[], one: Holder) => !holders.some((other) => sameDisk(one, other));
  const odd = [...[...under, ...above].filter((one) => lacks(over, one)), ...over.filter((one) => lacks(under, one))];
  return odd.length === 0 ? null : defer(state, id, "what QEMU has open is not what is recorded", odd);
}

function defer(state: State, layer: string, reason: string, holders: readonly Holder[]): Defer {
  const by = [...new Set(holders.map((holder) => instanceDisk(state, holder.instance, holder.device)))];
  return { kind: "defer", layer, reason, by };
}

function damaged(layer: string, reason: string): Decision {
  return { kind: "keep", layer, because: "damaged", reason, by: [] };
}
