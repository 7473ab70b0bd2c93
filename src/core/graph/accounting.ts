/**
 * What deleting something would free, by doing it on paper: drop, decide, apply, until nothing changes. As if nobody
 * ran: the promise does not depend on that, only when it is kept.
 */
import type { Extent } from "../model/host.ts";
import type { Bookmark, Layer, State } from "../model/state.ts";
import { applyDecisions, readUnder } from "./apply.ts";
import { collect } from "./collect.ts";
import type { CollectFacts, Free, Merge } from "./decisions.ts";
import { differenceBytes, union } from "./intervals.ts";
import { allPointers, chainOrNull, layerGraph, type Pointer } from "./references.ts";
import { sharedLayers } from "./shared-layers.ts";

/** What layers' own files hold. Asked only for the layers that `layersToMeasure` names. */
export interface Measures {
  /** Allocated bytes. */
  fileBytes(layer: string): number;
  /** The extents that the layer itself holds, in any order. */
  extents(layer: string): readonly Extent[];
}

/** What dropping pointers frees, reckoned on one state. */
export interface Reckoning {
  /**
   * What dropping these pointers would free, at once or once nobody stands in the way, beyond what is waiting to be
   * collected anyway. A merge's survivor is reckoned as its own file and the extents that it lacks; zeros that mask
   * count as data, which a merge may make of them: the promise is rather too small than too large.
   */
  exclusiveBytes(pointers: readonly Pointer[], measures: Measures): number;
  /**
   * The layers whose measures `exclusiveBytes` asks for, so that they can be fetched before. Found by the same
   * simulation with none.
   */
  layersToMeasure(pointers: readonly Pointer[]): string[];
}

/** The state is gone through once; afterwards each question costs what it concerns, however much there is besides. */
export function reckoning(state: State, deviceBytes: CollectFacts["deviceBytes"]): Reckoning {
  const graph = layerGraph(state);
  const layersOf = new Map<string, string[]>();
  for (const { pointer, layer } of allPointers(state)) {
    layersOf.set(pointer.id, [...(layersOf.get(pointer.id) ?? []), layer]);
  }
  const foreignOn = new Map<string, string[]>();
  for (const { id, parent, foreign } of Object.values(state.layers)) {
    if (parent !== null && foreign !== null) foreignOn.set(parent, [...(foreignOn.get(parent) ?? []), id]);
  }
  const shared = sharedLayers(state);

  /** Is the layer left to the collector once these are dropped? */
  function looseWithout(pointers: readonly Pointer[]): (id: string) => boolean {
    const dropped = new Set(pointers.map(({ id }) => id));
    const sharing = pointers.some(({ kind }) => kind === "image")
      ? sharedLayers(withoutImages(state, dropped))
      : shared;
    return (id) =>
      state.layers[id] !== undefined &&
      !sharing.has(id) &&
      (graph.pointers.get(id) ?? []).every((pointer) => dropped.has(pointer.id));
  }

  /** Loose layers that hang together: whatever else they touch stays, and so does all beyond it. */
  function regions(starts: Iterable<string>, isLoose: (id: string) => boolean): ReadonlySet<string>[] {
    const seen = new Set<string>();
    const found: Set<string>[] = [];
    for (const start of starts) {
      if (seen.has(start) || !isLoose(start)) continue;
      const loose = new Set([start]);
      for (const id of loose) for (const next of neighbours(id)) if (isLoose(next)) loose.add(next);
      for (const id of loose) seen.add(id);
      found.push(loose);
    }
    return found;
  }

  /** What dropping these concerns: the regions of afterwards, each with those of before within it. */
  function concerned(pointers: readonly Pointer[]): { readonly after: Region; readonly before: readonly Region[] }[] {
    const [isLoose, wasLoose] = [looseWithout(pointers), looseWithout([])];
    const starts = pointers.flatMap(({ id }) => layersOf.get(id) ?? []);
    if (pointers.some(({ kind }) => kind === "image")) starts.push(...shared.keys());
    return regions(starts, isLoose).map((loose) => ({
      after: regionOf(loose),
      before: regions(loose, wasLoose).map(regionOf),
    }));
  }

  function neighbours(id: string): string[] {
    const parent = state.layers[id]?.parent ?? null;
    return [...(parent === null ? [] : [parent]), ...(graph.children.get(id) ?? [])];
  }

  function regionOf(loose: ReadonlySet<string>): Region {
    const edge = new Set([...loose].flatMap(neighbours).filter((id) => !loose.has(id)));
    // A file that is not ours keeps what it stands on where it is: such a one counts from two layers off, too.
    for (const id of [...edge]) for (const child of foreignOn.get(id) ?? []) edge.add(child);
    const layers: Record<string, Layer> = {};
    for (const id of [...loose, ...edge]) {
      const layer = state.layers[id];
      if (layer === undefined) continue; // what it stands on is missing, and so it stays
      const isBottom = !loose.has(id) && !edge.has(layer.parent ?? "") && !loose.has(layer.parent ?? "");
      layers[id] = { ...layer, busy: null, parent: isBottom && chainOrNull(state, id) !== null ? null : layer.parent };
    }
    return { layers, edge: [...edge] };
  }

  return {
    exclusiveBytes(pointers, measures) {
      const freed = (region: Region) => collectOnPaper(region, measures, deviceBytes);
      return concerned(pointers).reduce((sum, { after, before }) => {
        const anyway = before.reduce((bytes, region) => bytes + freed(region), 0);
        return sum + Math.max(0, freed(after) - anyway);
      }, 0);
    },

    layersToMeasure(pointers) {
      const touched = new Set<string>();
      const fileBytes = (layer: string) => {
        touched.add(layer);
        return 0;
      };
      for (const { after, before } of concerned(pointers))
        for (const region of [after, ...before]) collectOnPaper(region, { fileBytes, extents: () => [] }, deviceBytes);
      return [...touched].sort();
    },
  };
}

/** Layers that would be collected together, and those around them, which stay. */
interface Region {
  readonly layers: Readonly<Record<string, Layer>>;
  readonly edge: readonly string[];
}

function withoutImages(state: State, dropped: ReadonlySet<string>): State {
  return { ...state, images: Object.fromEntries(Object.entries(state.images).filter(([id]) => !dropped.has(id))) };
}

/** A state of the region alone, in which something points at its edge. */
function draftOf({ layers, edge }: Region): State {
  const disks = edge.map((layer) => ({ layer }));
  const pin = { id: "pin", disks } as unknown as Bookmark; // of what points, only that is asked
  return { layers, volumes: {}, snapshots: {}, images: {}, bookmarks: { pin }, instances: {} } as unknown as State;
}

interface Content {
  readonly bytes: number;
  readonly extents: readonly Extent[];
}

/** Collects until all is quiet; returns the bytes that this frees. The region's layers are used up. */
function collectOnPaper(region: Region, measures: Measures, deviceBytes: CollectFacts["deviceBytes"]): number {
  const draft = draftOf(region);
  const survivors = new Map<string, Content>();
  const content = (id: string): Content =>
    survivors.get(id) ?? { bytes: measures.fileBytes(id), extents: measures.extents(id) };
  const known = readUnder(draft);
  const facts: CollectFacts = {
    holders: new Map(),
    deviceBytes: (layer) => deviceBytes(known(layer)),
    ownBytes: (layer) => survivors.get(layer)?.bytes ?? measures.fileBytes(layer),
  };
  let freedBytes = 0;
  for (let steps = nextSteps(draft, facts); steps.length > 0; steps = nextSteps(draft, facts)) {
    for (const step of steps) {
      if (step.kind === "merge") {
        const [layer, child] = [content(step.layer), content(step.child)];
        const survivor = merged(step.way, layer, child);
        survivors.set(step.child, survivor);
        freedBytes += layer.bytes + child.bytes - survivor.bytes;
      } else if (isOurs(draft.layers[step.layer])) freedBytes += facts.ownBytes(step.layer);
    }
    applyDecisions(draft, steps);
  }
  return freedBytes;
}

/**
 * What the collector would do one after the other, several at a time where the order makes no difference: all that
 * nothing stands on; after that, the first merge of each chain of layers that have one layer each on them.
 */
function nextSteps(draft: State, facts: CollectFacts): (Free | Merge)[] {
  const decisions = collect(draft, facts);
  const frees = decisions.filter((one) => one.kind === "free");
  if (frees.length > 0) return frees;
  const graph = layerGraph(draft);
  const bottomOf = (id: string): string => {
    let at = id;
    for (let below = draft.layers[at]?.parent; typeof below === "string"; below = draft.layers[below]?.parent) {
      if (graph.pointers.has(below) || graph.children.get(below)?.length !== 1) break;
      at = below;
    }
    return at;
  };
  const firsts = new Map<string, Merge>();
  for (const one of decisions) {
    if (one.kind !== "merge") continue;
    const bottom = bottomOf(one.layer);
    if (!firsts.has(bottom)) firsts.set(bottom, one);
  }
  return [...firsts.values()];
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
