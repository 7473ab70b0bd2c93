/** What deleting something would free, by doing it on paper: drop, decide, apply, until nothing changes. */
import type { Extent } from "../model/host.ts";
import type { Bookmark, Image, Layer, Snapshot, State } from "../model/state.ts";
import { applyDecision } from "./apply.ts";
import { collect, nextStep } from "./collect.ts";
import type { CollectFacts, Merge } from "./decisions.ts";
import { differenceBytes, union } from "./intervals.ts";
import { allPointers, chainOrNull, descendants, layerGraph, type Pointer } from "./references.ts";

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

/**
 * What dropping these pointers would free beyond what is waiting to be collected anyway. Both numbers together are the
 * promise, which does not depend on who runs. A merge's survivor is reckoned as its own file and the extents that it
 * lacks; zeros that mask count as data, which a merge may make of them: the promise is rather too small than too large.
 */
export function exclusiveBytes(
  state: State,
  pointers: readonly Pointer[],
  measures: Measures,
  holding: HoldingFacts,
): Freed {
  const around = treesOf(state, pointers);
  const anyway = simulated(around, [], measures, holding);
  const dropped = simulated(around, pointers, measures, holding);
  const promise = Math.max(0, dropped.ever - anyway.ever);
  const freedNowBytes = Math.min(Math.max(0, dropped.now - anyway.now), promise);
  return { freedNowBytes, deferredBytes: promise - freedNowBytes };
}

/**
 * The layers whose measures `exclusiveBytes` asks for, so that they can be fetched before. Found by the same simulation
 * with none.
 */
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
function dropPointers(draft: State, pointers: readonly Pointer[]): void {
  for (const { kind, id } of pointers) delete draft[RECORDS[kind]][id];
}

const RECORDS = { volume: "volumes", image: "images", snapshot: "snapshots", backup: "bookmarks" } as const;

/** Bytes that collecting frees: with those who run now, and with nobody running. */
interface Collected {
  readonly now: number;
  readonly ever: number;
}

/**
 * The part of the state that dropping the pointers can concern: the whole trees that they point into, and what else
 * does. A damaged chain counts from the layer itself up: nothing of it is collected.
 */
function treesOf(state: State, pointers: readonly Pointer[]): State {
  const ids = new Set(pointers.map(({ id }) => id));
  const dropped = [...allPointers(state)].filter(({ pointer }) => ids.has(pointer.id));
  const roots = new Set(dropped.map(({ layer }) => chainOrNull(state, layer)?.at(-1) ?? layer));
  const graph = layerGraph(state);
  const inside = new Set([...roots].flatMap((root) => [root, ...descendants(state, root, graph)]));
  const onDisks = ({ disks }: Snapshot | Image | Bookmark) => disks.some(({ layer }) => inside.has(layer));
  return {
    ...state,
    layers: only(state.layers, ({ id }) => inside.has(id)),
    volumes: only(state.volumes, ({ head }) => inside.has(head)),
    snapshots: only(state.snapshots, (one) => onDisks(one)),
    images: only(state.images, (one) => onDisks(one)),
    bookmarks: only(state.bookmarks, (one) => onDisks(one)),
  };
}

function only<T>(all: Record<string, T>, wanted: (one: T) => boolean): Record<string, T> {
  return Object.fromEntries(Object.entries(all).filter(([, one]) => wanted(one)));
}

function simulated(state: State, dropped: readonly Pointer[], measures: Measures, holding: HoldingFacts): Collected {
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
    bookmarks: { ...state.bookmarks },
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
    } else if (isOurs(draft.layers[step.layer])) freedBytes += facts.ownBytes(step.layer);
    applyDecision(draft, step);
  }
  return freedBytes;
}

function isOurs(layer: Layer | undefined): boolean {
  return layer?.foreign === null && layer.borrowed === undefined;
}

function merged(way: Merge["way"], layer: Content, child: Content): Content {
  const [survivor, other] = way === "up" ? [child, layer] : [layer, child];
  return {
    bytes: survivor.bytes + differenceBytes(other.extents, survivor.extents),
    extents: union(layer.extents, child.extents),
  };
}
