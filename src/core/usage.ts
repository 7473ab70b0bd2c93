/**
 * `usage`: where the bytes are, what deleting each kind of thing would free, and what stays or waits though nothing
 * points at it.
 */
import { hiddenInStore } from "./abandoned.ts";
import { isBorrowedBackup } from "./graph/borrowed.ts";
import { collect } from "./graph/collect.ts";
import { layerGraph, type Pointer, standingOn } from "./graph/references.ts";
import { exclusiveOf } from "./layers/freed.ts";
import { type HeldBack, heldBack } from "./layers/held-back.ts";
import { readFacts } from "./layers/holders.ts";
import type { HiddenFile } from "./model/host.ts";
import type { Layer, State } from "./model/state.ts";
import type { World } from "./ports.ts";

export interface UsageRow {
  readonly kind: "volumes" | "snapshots" | "images" | "hidden" | "total";
  /** Things of this kind; for "hidden" and "total": layers, and files under hidden names. */
  readonly count: number;
  /** What guests see, or would: the sum of the sizes of all disks. Null where no guest sees any. */
  readonly virtualBytes: number | null;
  /**
   * On the disk: the files of the layers that these things point at directly. A layer that several kinds point at
   * counts for each; in "total" once.
   */
  readonly allocatedBytes: number;
  /** What deleting all of this kind would free, sooner or later. Null for "hidden", and where a file cannot be read. */
  readonly exclusiveBytes: number | null;
}

/** A layer that nothing points at and that is there all the same; or a file that is being written, or was. */
export interface HiddenLayer {
  /** Of the layer; the path of the file. */
  readonly id: string;
  /** "kept": others need it. "deferred": it could go, and waits. "now": the next collecting takes it. */
  readonly fate: "kept" | "deferred" | "now";
  readonly reason: string;
  readonly by: readonly string[];
  readonly allocatedBytes: number;
}

export interface Usage {
  readonly kinds: readonly UsageRow[];
  readonly hidden: readonly HiddenLayer[];
  /** In the file system where layers live. */
  readonly freeBytes: number;
}

type DiskSizes = readonly { readonly layer: string; readonly sizeBytes: number }[];

/** Reads only. */
export async function readUsage(world: World): Promise<Usage> {
  const state = await world.store.read();
  const [held, facts, allocated, unfinished, freeBytes] = await Promise.all([
    heldBack(world),
    readFacts(world, state, Object.keys(state.layers), { outsiders: true }),
    readAllocated(world, Object.values(state.layers)),
    readUnfinished(world),
    world.host.freeBytes(world.store.paths.layersFolder),
  ]);
  const bytesOf = (layers: Iterable<string>) =>
    [...new Set(layers)].reduce((sum, id) => sum + (allocated.get(id) ?? 0), 0);

  const kinds = kindsOf(state);
  const all = kinds.map(({ pointers, besides }) => [...pointers, ...besides]);
  const memory = Object.values(state.snapshots).reduce((sum, one) => sum + (one.memory?.sizeBytes ?? 0), 0);
  const exclusive = await exclusiveOf(world, state, [...all, all.flat()]);
  const rows = kinds.map(
    ({ kind, pointers, disks, others }, index): UsageRow => ({
      kind,
      count: pointers.length,
      virtualBytes: disks.reduce((sum, disk) => sum + disk.sizeBytes, 0),
      allocatedBytes: bytesOf([...disks, ...others].map(({ layer }) => layer)) + (kind === "snapshots" ? memory : 0),
      exclusiveBytes: exclusive[index] ?? null,
    }),
  );
  const pointed = layerGraph(state).pointers;
  const hidden = [...hiddenLayers(state, facts, allocated, held), ...unfinished];
  const unfinishedBytes = unfinished.reduce((sum, one) => sum + one.allocatedBytes, 0);
  const unpointed = Object.keys(state.layers).filter((id) => !pointed.has(id));
  rows.push(
    {
      kind: "hidden",
      count: unpointed.length + unfinished.length,
      virtualBytes: null,
      allocatedBytes: bytesOf(unpointed) + unfinishedBytes,
      exclusiveBytes: null,
    },
    {
      kind: "total",
      count: Object.keys(state.layers).length + unfinished.length,
      virtualBytes: rows.reduce((sum, row) => sum + (row.virtualBytes ?? 0), 0),
      allocatedBytes: bytesOf(Object.keys(state.layers)) + unfinishedBytes + memory,
      exclusiveBytes: exclusive.at(-1) ?? null,
    },
  );
  return { kinds: rows, hidden, freeBytes };
}

/**
 * The bytes that the files of these layers take on the disk; of borrowed ones nothing is known. One after the other: of
 * ten thousand at one time, what is asked and answered lies about until the last.
 */
export async function readAllocated(world: World, layers: readonly Layer[]): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const { id, file, borrowed } of layers)
    if (borrowed === undefined) sizes.set(id, (await world.host.fileInfo(file))?.allocatedBytes ?? 0);
  return sizes;
}

const UNFINISHED: Readonly<Record<HiddenFile["writer"], Pick<HiddenLayer, "fate" | "reason">>> = {
  dead: { fate: "now", reason: "a command that was killed was writing it" },
  living: { fate: "deferred", reason: "a command is writing it" },
  expired: { fate: "now", reason: "a download with which nobody has gone on for 24 hours" },
  kept: { fate: "deferred", reason: "a download, for 24 hours: the same command goes on with it" },
  unknown: { fate: "kept", reason: 'a hidden file of nobody\'s here: see "estrato doctor"' },
};

/** Files of the store under hidden names, which no list shows. */
async function readUnfinished(world: World): Promise<HiddenLayer[]> {
  const files = await hiddenInStore(world);
  const sizes = await Promise.all(
    files.map(async ({ path }) => (await world.host.fileInfo(path))?.allocatedBytes ?? 0),
  );
  return files.map(({ path, writer }, index) => ({
    ...{ id: path, by: [], allocatedBytes: sizes[index] ?? 0 },
    ...UNFINISHED[writer],
  }));
}

/**
 * Each kind's things, and the disks that they are. Besides, of images, those that instances may be rebuilt on when they
 * are images no more.
 */
function kindsOf(state: State) {
  const volumes = Object.values(state.volumes);
  const instances = Object.values(state.instances);
  const sizeOf = (layer: string) => state.layers[layer]?.sizeBytes ?? 0;
  const kind = (
    name: "volumes" | "snapshots" | "images",
    pointers: readonly Pointer[],
    disks: DiskSizes,
    { besides, others }: { readonly besides: readonly Pointer[]; readonly others: DiskSizes } = NOTHING_BESIDES,
  ) => ({ kind: name, pointers, disks, besides, others });
  return [
    kind(
      "volumes",
      volumes.map(({ id }) => ({ kind: "volume", id })),
      volumes.map(({ head }) => ({ layer: head, sizeBytes: sizeOf(head) })),
    ),
    kind(
      "snapshots",
      Object.keys(state.snapshots).map((id) => ({ kind: "snapshot", id })),
      Object.values(state.snapshots).flatMap(({ disks }) => disks),
    ),
    kind(
      "images",
      Object.keys(state.images).map((id) => ({ kind: "image", id })),
      Object.values(state.images).flatMap(({ disks }) => disks),
      {
        besides: instances.map(({ id }) => ({ kind: "instance", id })),
        others: instances.flatMap(({ base }) => base?.disks ?? []),
      },
    ),
  ];
}

const NOTHING_BESIDES = { besides: [], others: [] };

/** The layers that nothing points at. */
export function hiddenLayers(
  state: State,
  facts: Parameters<typeof collect>[1],
  allocated: ReadonlyMap<string, number>,
  held: HeldBack,
): HiddenLayer[] {
  return collect(state, facts).map((decision): HiddenLayer => {
    const shared = { id: decision.layer, allocatedBytes: allocated.get(decision.layer) ?? 0 };
    if (decision.kind === "keep") return { ...shared, fate: "kept", reason: decision.reason, by: decision.by };
    if (decision.kind === "defer") return { ...shared, fate: "deferred", reason: decision.reason, by: decision.by };
    const why = held.reason(state, decision.layer);
    if (why !== null) return { ...shared, fate: "deferred", reason: why, by: [] };
    const layer = state.layers[decision.layer];
    if (decision.kind === "merge" && isBorrowedBackup(layer)) {
      const reason = `${layer.borrowed.name} is read until it is pulled in`;
      return { ...shared, fate: "deferred", reason, by: standingOn(state, layer.id) };
    }
    const reason = decision.kind === "free" ? "nothing stands on it" : `it merges with ${decision.child}`;
    return { ...shared, fate: "now", reason, by: [] };
  });
}
