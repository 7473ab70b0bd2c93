/** What deleting something would free, by doing it on paper: drop, decide, apply, until nothing changes. */
import type { Extent } from "../model/host.ts";
import type { Layer, State } from "../model/state.ts";
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

/** What dropping pointers frees, reckoned on one state. Trees share nothing, so each is reckoned by itself, once. */
export interface Reckoning {
  /**
   * What dropping these pointers would free beyond what is waiting to be collected anyway. Both numbers together are
   * the promise, which does not depend on who runs. A merge's survivor is reckoned as its own file and the extents that
   * it lacks; zeros that mask count as data, which a merge may make of them: the promise is rather too small than too
   * large.
   */
  exclusiveBytes(pointers: readonly Pointer[], measures: Measures): Freed;
  /**
   * The layers whose measures `exclusiveBytes` asks for, so that they can be fetched before. Found by the same
   * simulation with none.
   */
  layersToMeasure(pointers: readonly Pointer[]): string[];
}

export function reckoning(state: State, holding: HoldingFacts): Reckoning {
  const treesOf = treesByPointer(state);
  const anyway = new WeakMap<Measures, Map<State, Collected>>();
  const touched = new Map<State, ReadonlySet<string>>();

  /** What is collected of a tree where nothing is dropped. */
  function collectedAnyway(tree: State, measures: Measures): Collected {
    const known = anyway.get(measures) ?? new Map<State, Collected>();
    anyway.set(measures, known);
    const collected = known.get(tree) ?? simulated(tree, [], measures, holding);
    known.set(tree, collected);
    return collected;
  }

  function touchedBy(tree: State, pointers: readonly Pointer[]): Set<string> {
    const layers = new Set<string>();
    const fileBytes = (layer: string) => {
      layers.add(layer);
      return 0;
    };
    simulated(tree, pointers, { fileBytes, extents: () => [] }, holding);
    return layers;
  }

  return {
    exclusiveBytes(pointers, measures) {
      let [freedNowBytes, deferredBytes] = [0, 0];
      for (const tree of treesOf(pointers)) {
        const without = collectedAnyway(tree, measures);
        const dropped = simulated(tree, pointers, measures, holding);
        const promise = Math.max(0, dropped.ever - without.ever);
        const now = Math.min(Math.max(0, dropped.now - without.now), promise);
        freedNowBytes += now;
        deferredBytes += promise - now;
      }
      return { freedNowBytes, deferredBytes };
    },

    layersToMeasure(pointers) {
      const layers = new Set<string>();
      for (const tree of treesOf(pointers)) {
        const without = touched.get(tree) ?? touchedBy(tree, []);
        touched.set(tree, without);
        for (const layer of [...without, ...touchedBy(tree, pointers)]) layers.add(layer);
      }
      return [...layers].sort();
    },
  };
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
 * The state cut up into its trees, each with what points into it; and of pointers, the trees that they point into. A
 * damaged chain counts from the layer itself up: nothing of it is collected.
 */
function treesByPointer(state: State): (pointers: readonly Pointer[]) => Set<State> {
  const roots = rootsOf(state);
  const trees = new Map<string, State>();
  const treesOfPointer = new Map<string, Set<State>>();
  const treeAt = (layer: string): State => {
    const root = roots.get(layer) ?? layer;
    const tree = trees.get(root) ?? { ...state, layers: {}, volumes: {}, snapshots: {}, images: {}, bookmarks: {} };
    trees.set(root, tree);
    return tree;
  };
  for (const layer of Object.values(state.layers)) treeAt(layer.id).layers[layer.id] = layer;
  for (const { pointer, layer } of allPointers(state)) {
    const tree = treeAt(layer);
    const [records, { id }] = [RECORDS[pointer.kind], pointer];
    Object.assign(tree[records], { [id]: state[records][id] });
    treesOfPointer.set(id, (treesOfPointer.get(id) ?? new Set()).add(tree));
  }
  return (pointers) => new Set(pointers.flatMap(({ id }) => [...(treesOfPointer.get(id) ?? [])]));
}

/** Of each layer the lowest one that it stands on; in a damaged chain, the layer itself or one of those below it. */
function rootsOf(state: State): Map<string, string> {
  const roots = new Map<string, string>();
  for (const id of Object.keys(state.layers)) {
    const path: string[] = [];
    let at = id;
    while (!roots.has(at) && !path.includes(at)) {
      path.push(at);
      const parent = state.layers[at]?.parent ?? null;
      if (parent === null || state.layers[parent] === undefined) break;
      at = parent;
    }
    const root = roots.get(at) ?? at;
    for (const one of path) roots.set(one, root);
  }
  return roots;
}

function simulated(state: State, dropped: readonly Pointer[], measures: Measures, holding: HoldingFacts): Collected {
  const idle = { ...holding, holders: new Map() };
  const free = copyOf(state, dropped, (layer) => ({ ...layer, busy: null }));
  const ever = collectOnPaper(free, measures, idle);
  if (holding.holders.size === 0 && Object.values(state.layers).every(({ busy }) => !busy)) return { now: ever, ever };
  return {
    now: collectOnPaper(
      copyOf(state, dropped, (layer) => layer),
      measures,
      holding,
    ),
    ever,
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
