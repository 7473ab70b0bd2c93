/** What deleting something would free, by doing it on paper: drop, decide, apply, until nothing changes. */
import type { Extent } from "../../host/types.ts";
import type { Layer, State } from "../../store/schema.ts";
import { applyDecision } from "./apply.ts";
import { collect, nextStep } from "./collect.ts";
import type { CollectFacts, Merge } from "./decisions.ts";
import { differenceBytes, union } from "./intervals.ts";
import { allPointers, type Pointer } from "./references.ts";

/** What layers' own files hold. Asked only for the layers that `layersToMeasure` names. */
export interface Measures {
  /** Allocated bytes. */
  fileBytes(layer: string): number;
  /** The extents that the layer itself holds, in any order. */
  extents(layer: string): readonly Extent[];
}

/** Who holds what, and what the host can. Sizes come from `Measures`. */
export type HoldingFacts = Omit<CollectFacts, "ownBytes">;

export interface Freed {
  /** Freed by the collection that follows at once. */
  readonly freedNowBytes: number;
  /** Freed later, once running guests and others in the way are out of it. */
  readonly deferredBytes: number;
}

/** What one thing takes, for `usage`. */
export interface Usage {
  readonly pointer: Pointer;
  /** Allocated bytes of the very layers it points at, whoever else needs them. */
  readonly ownBytes: number;
  /** What deleting it would free. */
  readonly exclusive: Freed;
}

/**
 * What dropping these pointers would free beyond what is waiting to be collected anyway. Both numbers together are the promise,
 * which does not depend on who runs. A merge's survivor is reckoned as its own file and the extents that it lacks: compressed clusters make
 * that an upper bound of what stays, so the promise is never too large by them.
 */
export function exclusiveBytes(
  state: State,
  pointers: readonly Pointer[],
  measures: Measures,
  holding: HoldingFacts,
): Freed {
  return beyond(waiting(state, measures, holding), state, pointers, measures, holding);
}

/** What collecting would free with nothing dropped: now, and once nobody is in the way. */
export function waitingBytes(state: State, measures: Measures, holding: HoldingFacts): Freed {
  const { now, ever } = waiting(state, measures, holding);
  return freed(now, ever);
}

/** One row for each volume, snapshot and image. Needs the measures of all layers. */
export function usage(state: State, measures: Measures, holding: HoldingFacts): Usage[] {
  const anyway = waiting(state, measures, holding);
  const rows = new Map<string, { pointer: Pointer; layers: Set<string> }>();
  for (const { pointer, layer } of allPointers(state)) {
    const row = rows.get(pointer.id) ?? { pointer, layers: new Set() };
    rows.set(pointer.id, row);
    if (state.layers[layer] !== undefined) row.layers.add(layer);
  }
  return [...rows.values()].map(({ pointer, layers }) => ({
    pointer,
    ownBytes: [...layers].reduce((sum, layer) => sum + measures.fileBytes(layer), 0),
    exclusive: beyond(anyway, state, [pointer], measures, holding),
  }));
}

/** The layers whose measures `exclusiveBytes` asks for, so that they can be fetched before. Found by the same simulation with none. */
export function layersToMeasure(state: State, pointers: readonly Pointer[], holding: HoldingFacts): string[] {
  const touched = new Set<string>();
  const fileBytes = (layer: string) => {
    touched.add(layer);
    return 0;
  };
  exclusiveBytes(state, pointers, { fileBytes, extents: () => [] }, holding);
  return [...touched].sort();
}

/** Removes pointers from a draft. Their layers stay: that is the collector's business. */
export function dropPointers(draft: State, pointers: readonly Pointer[]): void {
  for (const { kind, id } of pointers)
    delete draft[kind === "volume" ? "volumes" : kind === "image" ? "images" : "snapshots"][id];
}

interface Waiting {
  readonly now: number;
  readonly ever: number;
}

function waiting(state: State, measures: Measures, holding: HoldingFacts): Waiting {
  return simulated(state, [], measures, holding);
}

function beyond(
  anyway: Waiting,
  state: State,
  pointers: readonly Pointer[],
  measures: Measures,
  holding: HoldingFacts,
): Freed {
  const { now, ever } = simulated(state, pointers, measures, holding);
  return freed(now - anyway.now, ever - anyway.ever);
}

function freed(now: number, ever: number): Freed {
  const promise = Math.max(0, ever);
  const freedNowBytes = Math.min(Math.max(0, now), promise);
  return { freedNowBytes, deferredBytes: promise - freedNowBytes };
}

function simulated(state: State, dropped: readonly Pointer[], measures: Measures, holding: HoldingFacts): Waiting {
  const idle = { ...holding, holders: new Map() };
  return {
    now: collectOnPaper(
      copyOf(state, dropped, (layer) => layer),
      measures,
      holding,
    ),
    ever: collectOnPaper(
      copyOf(state, dropped, (layer) => ({ ...layer, busy: null })),
      measures,
      idle,
    ),
  };
}

/** A state whose layers may be changed, without the pointers. Other records are shared: nothing changes them. */
function copyOf(state: State, dropped: readonly Pointer[], change: (layer: Layer) => Layer): State {
  const layers = Object.fromEntries(Object.entries(state.layers).map(([id, layer]) => [id, { ...change(layer) }]));
  const copy = {
    ...state,
    layers,
    volumes: { ...state.volumes },
    snapshots: { ...state.snapshots },
    images: { ...state.images },
  };
  dropPointers(copy, dropped);
  return copy;
}

interface Content {
  readonly bytes: number;
  readonly extents: readonly Extent[];
}

/** Collects until all is quiet; returns the bytes that this frees. */
function collectOnPaper(draft: State, measures: Measures, holding: HoldingFacts): number {
  const survivors = new Map<string, Content>();
  const content = (id: string): Content =>
    survivors.get(id) ?? { bytes: measures.fileBytes(id), extents: measures.extents(id) };
  const facts: CollectFacts = {
    holders: holding.holders,
    liveMerging: holding.liveMerging,
    deviceBytes: (layer) => holding.deviceBytes(layer),
    ownBytes: (layer) => survivors.get(layer)?.bytes ?? measures.fileBytes(layer),
  };
  let freedBytes = 0;
  for (let step = nextStep(collect(draft, facts)); step !== undefined; step = nextStep(collect(draft, facts))) {
    if (step.kind === "merge") {
      const [layer, child] = [content(step.layer), content(step.child)];
      const survivor = merged(step.way, layer, child);
      survivors.set(step.child, survivor);
      freedBytes += layer.bytes + child.bytes - survivor.bytes;
    } else if (draft.layers[step.layer]?.foreign === null) freedBytes += facts.ownBytes(step.layer);
    applyDecision(draft, step);
  }
  return freedBytes;
}

function merged(way: Merge["way"], layer: Content, child: Content): Content {
  const [survivor, other] = way === "up" ? [child, layer] : [layer, child];
  return {
    bytes: survivor.bytes + differenceBytes(other.extents, survivor.extents),
    extents: union(layer.extents, child.extents),
  };
}
