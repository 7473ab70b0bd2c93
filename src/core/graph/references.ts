/** Who points at a layer, and who stands on it. Everything else in the graph is built from these few questions. */
import { EstratoError } from "../../errors.ts";
import { passingRows, rowsNaming } from "../model/passing.ts";
import type { State, Volume } from "../model/state.ts";
import type { Table } from "../model/tables.ts";
import { oncePerState } from "./once-per-state.ts";

/**
 * What keeps a layer alive: a volume by its head, a snapshot, an image or a backup's bookmark by its disks, an instance
 * by those of the image that it may be rebuilt on. Automatic snapshots count like all others, and one that a rebuild
 * kept has those of the image of before, too.
 */
export interface Pointer {
  readonly kind: "volume" | "snapshot" | "image" | "backup" | "instance";
  readonly id: string;
}

/**
 * Both directions of the graph at one instant: an index for those who ask about every layer. Stale as soon as the state
 * changes.
 */
export interface LayerGraph {
  readonly children: ReadonlyMap<string, readonly string[]>;
  readonly pointers: ReadonlyMap<string, readonly Pointer[]>;
}

/**
 * Every (layer, pointer) pair of the state, dangling ones included; in the order volumes, snapshots, images, backups,
 * instances, each with its disks before what it was made of. Goes through all rows, mostly once in a process: nothing
 * is made for a row that has nothing. `layers`: only of rows that may point at one of these, and perhaps others.
 */
export function eachPointer(
  state: State,
  visit: (layer: string, kind: Pointer["kind"], id: string) => void,
  layers: readonly string[] | null = null,
): void {
  const rows = <T extends Table>(table: T) =>
    layers === null ? passingRows(state, table) : rowsNaming(state, table, layers);
  const visitAll = (disks: readonly OnLayer[], kind: Pointer["kind"], id: string) => {
    for (let at = 0; at < disks.length; at += 1) visit((disks[at] as OnLayer).layer, kind, id);
  };
  for (const one of rows("volumes")) visit(one.head, "volume", one.id);
  for (const one of rows("snapshots")) {
    visitAll(one.disks, "snapshot", one.id);
    if (one.madeOf?.base) visitAll(one.madeOf.base.disks, "snapshot", one.id);
  }
  for (const one of rows("images")) visitAll(one.disks, "image", one.id);
  for (const one of rows("bookmarks")) visitAll(one.disks, "backup", one.id);
  for (const one of rows("instances")) if (one.base) visitAll(one.base.disks, "instance", one.id);
}

type OnLayer = { readonly layer: string };

/** The same as values. */
export function allPointers(state: State): { readonly pointer: Pointer; readonly layer: string }[] {
  const all: { readonly pointer: Pointer; readonly layer: string }[] = [];
  eachPointer(state, (layer, kind, id) => all.push({ pointer: { kind, id }, layer }));
  return all;
}

/** Reads the state once. */
export const layerGraph = oncePerState((state: State): LayerGraph => {
  const children = new Map<string, string[]>();
  const pointers = new Map<string, Pointer[]>();
  for (const { id, parent } of passingRows(state, "layers")) if (parent !== null) push(children, parent, id);
  eachPointer(state, (layer, kind, id) => push(pointers, layer, { kind, id }));
  return { children, pointers };
});

/** The layers that stand directly on this one. */
export function children(state: State, layer: string): string[] {
  if (Object.isFrozen(state)) return [...(layerGraph(state).children.get(layer) ?? [])];
  return rowsNaming(state, "layers", [layer])
    .filter(({ parent }) => parent === layer)
    .map(({ id }) => id);
}

/** The things that point at this very layer (not at one above it). */
export function pointersAt(state: State, layer: string): Pointer[] {
  if (Object.isFrozen(state)) return [...(layerGraph(state).pointers.get(layer) ?? [])];
  return allPointers(state)
    .filter((entry) => entry.layer === layer)
    .map(({ pointer }) => pointer);
}

/** The layer and all it stands on, top to bottom; null where a layer is missing or the chain bites its own tail. */
export function chainOrNull(state: State, layer: string): string[] | null {
  const ids: string[] = [];
  const seen = new Set<string>();
  for (let id: string | null = layer; id !== null; ) {
    const found: State["layers"][string] | undefined = state.layers[id];
    if (found === undefined || seen.has(id)) return null;
    seen.add(id);
    ids.push(id);
    id = found.parent;
  }
  return ids;
}

/** The layer and all it stands on, top to bottom. Throws "integrity" where the chain is broken. */
export function chain(state: State, layer: string): string[] {
  const ids = chainOrNull(state, layer);
  if (ids !== null) return ids;
  throw new EstratoError("integrity", `layer ${layer}: what it stands on is missing or stands on itself`, {
    hint: "Run 'estrato doctor'.",
  });
}

/**
 * How many files QEMU opens to read this layer: 1 for a self-standing one. Throws "integrity" where the chain is
 * broken.
 */
export function depth(state: State, layer: string): number {
  const ids = chain(state, layer);
  return ids.length - 1 + (state.layers[ids.at(-1) ?? ""]?.borrowed?.depth ?? 1);
}

/** All that stands on this layer, directly or not, itself left out; nearest first. Ends on a damaged graph too. */
export function descendants(state: State, layer: string, graph: LayerGraph = layerGraph(state)): string[] {
  const found = new Set<string>(graph.children.get(layer));
  for (const id of found) for (const child of graph.children.get(id) ?? []) found.add(child);
  found.delete(layer);
  return [...found];
}

/**
 * The volumes whose disk reads this layer: its own, where it is a head, and those of every head above it. `instance` is
 * null for a free volume.
 */
export function descendantHeads(state: State, layer: string, graph: LayerGraph = layerGraph(state)): Volume[] {
  return [layer, ...descendants(state, layer, graph)]
    .flatMap((id) => graph.pointers.get(id) ?? [])
    .flatMap(({ kind, id }) => (kind === "volume" ? (state.volumes[id] ?? []) : []));
}

/**
 * Who stands on the layer or points at it, directly or not, in words for messages: "instance web1 vda", "snapshot
 * web1/s1", "image golden". Each once, an instance by its disks where it stands on the layer.
 */
export function standingOn(state: State, layer: string, graph: LayerGraph = layerGraph(state)): string[] {
  const pointers = [layer, ...descendants(state, layer, graph)].flatMap((id) => graph.pointers.get(id) ?? []);
  const byDisk = new Set(pointers.map(({ kind, id }) => (kind === "volume" ? state.volumes[id]?.instance : null)));
  const others = pointers.filter(({ kind, id }) => kind !== "instance" || !byDisk.has(id));
  return [...new Set(others.map((pointer) => nameOf(state, pointer)))];
}

/**
 * A pointer in words: "instance web1 vda", "volume data", "snapshot web1/s1", "image golden", "backup bak-…",
 * "instance web1 (to be rebuilt)". Falls back on ids.
 */
export function nameOf(state: State, { kind, id }: Pointer): string {
  if (kind === "image") return `image ${state.images[id]?.name ?? id}`;
  if (kind === "backup") return `backup ${id}`;
  if (kind === "instance") return `instance ${state.instances[id]?.name ?? id} (to be rebuilt)`;
  if (kind === "volume") {
    const volume = state.volumes[id];
    if (volume?.instance) return instanceDisk(state, volume.instance, volume.device ?? "?");
    return `volume ${volume?.name ?? id}`;
  }
  const snapshot = state.snapshots[id];
  if (snapshot === undefined) return `snapshot ${id}`;
  const owner = snapshot.instance === null ? snapshot.volume : snapshot.instance;
  const ownerName = owner === null ? null : (state.instances[owner]?.name ?? state.volumes[owner]?.name ?? owner);
  return `snapshot ${ownerName === null ? "" : `${ownerName}/`}${snapshot.name}`;
}

/** "instance web1 vda". */
export function instanceDisk(state: State, instance: string, device: string): string {
  return `instance ${state.instances[instance]?.name ?? instance} ${device}`;
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
