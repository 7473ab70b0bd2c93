/** `usage NOUN [TARGET]`: what one thing takes, and how much of that is its own. */
import type { BackupView } from "./backups/list.ts";
import { chainOrNull, type Pointer } from "./graph/references.ts";
import { findImage } from "./images/find.ts";
import { instanceId } from "./instances/find.ts";
import { exclusiveOf } from "./layers/freed.ts";
import { heldBack } from "./layers/held-back.ts";
import { readFacts } from "./layers/holders.ts";
import type { State } from "./model/state.ts";
import type { World } from "./ports.ts";
import { findSnapshot, snapshotLabel } from "./snapshots/find.ts";
import { hiddenLayers, readAllocated } from "./usage.ts";
import { findVolume } from "./volumes/find.ts";

export const USAGE_NOUNS = ["instance", "snapshot", "image", "volume", "backup"] as const;
export type UsageNoun = (typeof USAGE_NOUNS)[number];

export interface ThingUsage {
  readonly kind: UsageNoun;
  readonly id: string;
  readonly name: string;
  /** Of the files of all layers that it reads, and of its memory. */
  readonly allocated_bytes: number;
  /** What deleting it would free, sooner or later; null: a file that it depends on cannot be read. */
  readonly exclusive_bytes: number | null;
  /** In layers below it that nothing points at, and that go when nobody is in the way. */
  readonly waiting_bytes: number;
  /** The rest: what others read too. */
  readonly shared_bytes: number;
}

interface Thing {
  readonly id: string;
  readonly name: string;
  readonly pointers: readonly Pointer[];
  readonly layers: readonly string[];
  readonly memoryBytes: number;
}

/** Of all things of this kind, or of one. Throws "not_found". */
export async function usageOf(world: World, noun: Exclude<UsageNoun, "backup">, target: string | null) {
  const state = await world.store.read();
  const wanted = target === null ? null : await idOf(world, state, noun, target);
  const things = thingsOf(state, noun).filter(({ id }) => wanted === null || id === wanted);
  const chains = things.map(({ layers }) => [...new Set(layers.flatMap((layer) => chainOrNull(state, layer) ?? []))]);
  const read = [...new Set(chains.flat())].flatMap((id) => state.layers[id] ?? []);
  const [held, facts, allocated, exclusive] = await Promise.all([
    heldBack(world),
    readFacts(world, state, Object.keys(state.layers), { outsiders: true }),
    readAllocated(world, read),
    exclusiveOf(
      world,
      state,
      things.map(({ pointers }) => pointers),
    ),
  ]);
  const waiting = new Set(
    hiddenLayers(state, facts, allocated, held).flatMap(({ id, fate }) => (fate === "kept" ? [] : id)),
  );
  const sum = (ids: readonly string[]) => ids.reduce((all, id) => all + (allocated.get(id) ?? 0), 0);
  return things.map(({ id, name, memoryBytes }, index): ThingUsage => {
    const chain = chains[index] ?? [];
    const own = exclusive[index] ?? null;
    const allocatedBytes = sum(chain) + memoryBytes;
    const waitingBytes = sum(chain.filter((layer) => waiting.has(layer)));
    return {
      kind: noun,
      id,
      name,
      allocated_bytes: allocatedBytes,
      exclusive_bytes: own,
      waiting_bytes: waitingBytes,
      shared_bytes: Math.max(0, allocatedBytes - waitingBytes - (own ?? 0)),
    };
  });
}

/** The same of backups: one that another builds on shares what it holds with that. */
export function usageOfBackups(backups: readonly BackupView[], target: string | null): ThingUsage[] {
  const parents = new Set(backups.map(({ parent }) => parent));
  return backups
    .filter(({ id, name }) => target === null || id === target || name === target)
    .map(({ id, name, instance, written_bytes: bytes }) => ({
      kind: "backup",
      id,
      name: `${instance ?? ""}${name === null ? "" : `/${name}`}`,
      allocated_bytes: bytes,
      exclusive_bytes: parents.has(id) ? 0 : bytes,
      waiting_bytes: 0,
      shared_bytes: parents.has(id) ? bytes : 0,
    }));
}

async function idOf(world: World, state: State, noun: UsageNoun, target: string): Promise<string> {
  if (noun === "snapshot") return findSnapshot(state, target).id;
  if (noun === "image") return findImage(state, target).id;
  return noun === "volume" ? findVolume(state, target).id : instanceId(world, target);
}

function thingsOf(state: State, noun: UsageNoun): Thing[] {
  const snapshots = Object.values(state.snapshots);
  const layersOf = (disks: readonly { readonly layer: string }[]) => disks.map(({ layer }) => layer);
  if (noun === "volume") {
    return Object.values(state.volumes).map(({ id, name, head }) => ({
      ...{ id, name: name ?? id, memoryBytes: 0 },
      pointers: [{ kind: "volume", id }],
      layers: [head],
    }));
  }
  if (noun === "image") {
    return Object.values(state.images).map(({ id, name, disks }) => ({
      ...{ id, name, memoryBytes: 0 },
      pointers: [{ kind: "image", id }],
      layers: layersOf(disks),
    }));
  }
  if (noun === "snapshot") {
    return snapshots.map((one) => ({
      ...{ id: one.id, name: snapshotLabel(state, one), memoryBytes: one.memory?.sizeBytes ?? 0 },
      pointers: [{ kind: "snapshot", id: one.id }],
      layers: layersOf(one.disks),
    }));
  }
  return Object.values(state.instances).map(({ id, name }) => {
    const volumes = Object.values(state.volumes).filter(({ instance }) => instance === id);
    const own = snapshots.filter(({ instance }) => instance === id);
    return {
      id,
      name,
      pointers: [
        { kind: "instance", id },
        ...volumes.map((one): Pointer => ({ kind: "volume", id: one.id })),
        ...own.map((one): Pointer => ({ kind: "snapshot", id: one.id })),
      ],
      layers: [...volumes.map(({ head }) => head), ...own.flatMap(({ disks }) => layersOf(disks))],
      memoryBytes: own.reduce((sum, { memory }) => sum + (memory?.sizeBytes ?? 0), 0),
    };
  });
}
