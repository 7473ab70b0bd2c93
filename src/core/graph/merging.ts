/** The table of merging: a layer that nothing points at, and the only one that stands on it. Which way, or why not. */
import { dirname } from "node:path";
import type { Layer, State, Volume } from "../model/state.ts";
import { isBorrowedBackup } from "./borrowed.ts";
import type { CollectFacts, Defer, Holder, Keep, Merge } from "./decisions.ts";
import { chainOrNull, descendants, instanceDisk, type LayerGraph } from "./references.ts";

/**
 * How many times fewer bytes a pivot must move before a running guest's head is committed down rather than pulled up.
 * A pull has no moment of switching: killed anywhere, the head reads the same. A pivot has one, and a libvirtd that
 * dies in it tells a lie for good (LIBVIRT.md, trap 12), which costs the user a stop and a start. Against that stand
 * only time and disk wear: below eight times they are not worth it, and a small layer under a small head never is.
 */
export const PIVOT_FACTOR = 8;
/** A pull of no more than this takes seconds: no ratio makes a pivot worth while. */
export const PIVOT_FLOOR_BYTES = 1024 ** 3;
/** Room that qcow2's own tables may take on a device: 3 %, twice what the smallest clusters that we meet need. */
const QCOW2_TABLES = 32;

/** Who holds the two layers, each disk once. */
export interface Held {
  readonly layer: readonly Holder[];
  readonly child: readonly Holder[];
  readonly all: readonly Holder[];
}

/** Reads the facts for a pair. */
export function heldBy(facts: CollectFacts, layer: string, child: string): Held {
  const below = facts.holders.get(layer) ?? [];
  const above = facts.holders.get(child) ?? [];
  const all = [...above, ...below.filter((holder) => !above.some((other) => sameDisk(holder, other)))];
  return { layer: below, child: above, all };
}

/**
 * Is it the same disk of the same guest? One guest with a layer under two of its disks holds it twice: QEMU locks by
 * open file.
 */
export function sameDisk(a: { instance: string; device: string }, b: { instance: string; device: string }): boolean {
  return a.instance === b.instance && a.device === b.device;
}

/** What no waiting changes: null where the pair may be merged at all. */
export function lastingObstacle(layer: Layer, child: Layer, facts: CollectFacts): Keep | null {
  const keep = (because: Keep["because"], reason: string): Keep => ({
    kind: "keep",
    layer: layer.id,
    because,
    reason,
    by: [],
  });
  if (layer.borrowed !== undefined && !isBorrowedBackup(layer) && facts.pulledIn !== layer.id)
    return keep("borrowed", `it belongs to ${layer.borrowed.owner}`);
  if (!layer.frozen) return keep("damaged", `${child.id} stands on it though it is not frozen`);
  if (child.file === layer.file) return keep("damaged", `${child.id} names the same file`);
  if (child.sizeBytes < layer.sizeBytes) return keep("size", `${child.id}, which stands on it, is smaller`);
  if (child.secret !== layer.secret)
    return keep("encryption", `${child.id}, which stands on it, is encrypted otherwise`);
  // A file that was there before us is never unlinked (down) nor rewritten with another's data (up): it may have users
  // that we don't know.
  if (child.foreign !== null) return keep("foreign", `${child.file}, which stands on it, is not ours to rewrite`);
  if (layer.foreign === null) return null;
  if (layer.foreign.template !== undefined)
    return keep("foreign", `${layer.file} was found below a disk: it is never written`);
  const device = facts.deviceBytes(layer.id);
  if (device === null) return null;
  const needed = layer.format === "raw" ? child.sizeBytes : child.sizeBytes + Math.ceil(child.sizeBytes / QCOW2_TABLES);
  if (needed <= device) return null;
  return keep("size", `${layer.file} cannot grow to what ${child.id} needs (${needed} bytes; it has ${device})`);
}

/** Which disk would do it, or who stands in the way now. `null`: nobody holds either, qemu-img does it. */
export function liveDisk(
  state: State,
  graph: LayerGraph,
  layer: Layer,
  child: Layer,
  held: Held,
): Merge["live"] | Defer {
  const defer = (reason: string, holders: readonly Holder[]): Defer => ({
    kind: "defer",
    layer: layer.id,
    reason,
    by: holders.map((holder) => instanceDisk(state, holder.instance, holder.device)),
  });
  const [holder, other] = held.all;
  if (holder === undefined) {
    // QEMU goes on reading what it has opened; a program of ours would open what its owner has made of it since.
    const isAnothers = layer.borrowed !== undefined && !isBorrowedBackup(layer);
    return isAnothers ? defer("only a running guest takes in another user's file", []) : null;
  }
  if (other !== undefined) return defer("two or more running disks use it", held.all);
  const disk = { instance: holder.instance, device: holder.device };
  const volume = volumeOf(state, disk);
  const isRecorded =
    child.frozen === (holder.role === "backing") &&
    volume !== undefined &&
    chainOrNull(state, volume.head)?.includes(child.id) === true;
  if (!isRecorded) return defer("what QEMU has open is not what is recorded", held.all);
  if (child.frozen && liesElsewhere(layer, child))
    return defer("a running guest cannot take in what lies elsewhere", held.all);
  if (child.frozen && standsUnderForeign(state, graph, child))
    return defer("a running guest cannot take in what a file that is not ours stands on", held.all);
  return disk;
}

/** The way that moves fewer bytes among those that are open. */
export function chooseWay(
  state: State,
  graph: LayerGraph,
  layer: Layer,
  child: Layer,
  live: Merge["live"],
  facts: CollectFacts,
): Merge["way"] {
  // Pulling a user's own disk up would copy all of it, and orphan it.
  if (layer.foreign !== null) return "down";
  // A packed disk, or a backup's, comes home: nobody's guest goes on in the folder that it was put away to.
  if (layer.borrowed !== undefined || liesElsewhere(layer, child)) return "up";
  // Down, the headers above are re-pointed: a user's own file must find what it stands on where it was.
  if (standsUnderForeign(state, graph, child)) return "up";
  const [own, above] = [facts.ownBytes(layer.id), facts.ownBytes(child.id)];
  if (live === null) return above < own ? "down" : "up";
  // libvirt cannot pull into a middle layer.
  if (child.frozen) return "down";
  return own > PIVOT_FLOOR_BYTES && own > PIVOT_FACTOR * above ? "down" : "up";
}

/** Does a user's own file stand directly on it? */
function standsUnderForeign(state: State, graph: LayerGraph, child: Layer): boolean {
  const foreign = (id: string) => state.layers[id]?.foreign ?? null;
  return (graph.children.get(child.id) ?? []).some((id) => foreign(id) !== null);
}

/** A file of ours in another folder than the one that stands on it: put away by `shelve --offload --target`. */
function liesElsewhere(layer: Layer, child: Layer): boolean {
  return layer.foreign === null && dirname(layer.file) !== dirname(child.file);
}

/** The layers on `child` that are part of a running chain: nobody but QEMU may write their headers. */
export function carriedLayers(state: State, child: string, facts: CollectFacts, graph: LayerGraph): string[] {
  return (graph.children.get(child) ?? []).filter((id) =>
    [id, ...descendants(state, id, graph)].some((above) => (facts.holders.get(above) ?? []).length > 0),
  );
}

/** The volume that is attached as this disk. */
function volumeOf(state: State, disk: { instance: string; device: string }): Volume | undefined {
  return Object.values(state.volumes).find(
    (volume) => volume.instance === disk.instance && volume.device === disk.device,
  );
}
