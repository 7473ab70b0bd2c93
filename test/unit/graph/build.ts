/** Small graphs, written as a person would draw them. */
import type { CollectFacts, Holder } from "../../../src/core/graph/decisions.ts";
import {
  type Image,
  type Layer,
  type Snapshot,
  STATE_VERSION,
  type State,
  type Volume,
} from "../../../src/core/model/state.ts";

const TIME = "2026-01-01T00:00:00.000Z";
export const MiB = 1024 ** 2;
export const GiB = 1024 ** 3;

export function emptyState(): State {
  const nothing = { layers: {}, volumes: {}, instances: {}, snapshots: {}, images: {}, flavors: {}, keypairs: {} };
  return {
    version: STATE_VERSION,
    binding: null,
    ...nothing,
    bookmarks: {},
    storeId: null,
    targets: {},
    schedules: {},
  };
}

/** A frozen qcow2 layer of 10 GiB, if nothing else is said. */
export function addLayer(state: State, id: string, parent: string | null, more: Partial<Layer> = {}): Layer {
  const layer: Layer = {
    id,
    parent,
    file: `/layers/${id}.qcow2`,
    format: "qcow2",
    sizeBytes: 10 * GiB,
    frozen: true,
    foreign: null,
    secret: null,
    busy: null,
    createdAt: TIME,
    ...more,
  };
  state.layers[id] = layer;
  return layer;
}

/** K, the head of web1, on D, which stands for a file of alice's. */
export function onAnothers(): State {
  const state = emptyState();
  const borrowed = { image: "img-1", name: "golden", owner: "alice", depth: 1, marker: "/alice/uses/D" };
  addLayer(state, "D", null, { file: "/alice/D.qcow2", borrowed });
  addLayer(state, "K", "D");
  addGuest(state, "web1", "K");
  return state;
}

/** An instance (id and name alike) with one volume, whose head is made unfrozen. */
export function addGuest(state: State, name: string, head: string, device = "vda"): Volume {
  state.instances[name] ??= {
    id: name,
    name,
    origin: "created",
    image: null,
    flavor: null,
    keyName: null,
    owner: "me",
    createdAt: TIME,
    properties: {},
    current: null,
    undo: null,
    addresses: [],
    seed: null,
    shelved: null,
  };
  return addVolume(state, `vol-${name}-${device}`, head, name, device);
}

export function addVolume(
  state: State,
  id: string,
  head: string,
  instance: string | null = null,
  device: string | null = null,
): Volume {
  const volume: Volume = {
    id,
    name: null,
    head,
    instance,
    device,
    deleteWithInstance: true,
    sourceSnapshot: null,
    sourceImage: null,
    uefi: false,
    owner: "me",
    createdAt: TIME,
    properties: {},
  };
  state.volumes[id] = volume;
  const layer = state.layers[head];
  if (layer !== undefined) layer.frozen = false;
  return volume;
}

export function addSnapshot(state: State, id: string, layers: readonly string[], more: Partial<Snapshot> = {}): void {
  state.snapshots[id] = {
    id,
    name: id,
    type: "instance",
    instance: null,
    volume: null,
    parent: null,
    automatic: false,
    disks: layers.map((layer) => ({ volume: "vol", device: "vda", layer, sizeBytes: GiB })),
    excluded: [],
    consistency: "crash",
    memory: null,
    definition: null,
    nvram: null,
    tpm: null,
    uefi: false,
    vcpus: null,
    ramBytes: null,
    flavor: null,
    owner: "me",
    createdAt: TIME,
    expiresAt: null,
    protected: false,
    description: null,
    properties: {},
    ...more,
  };
}

export function addImage(state: State, id: string, layers: readonly string[], more: Partial<Image> = {}): void {
  state.images[id] = {
    id,
    name: id,
    type: "snapshot",
    visibility: "private",
    disks: layers.map((layer) => ({ device: "vda", layer, sizeBytes: GiB })),
    minDiskBytes: 0,
    minRamBytes: 0,
    source: { kind: "snapshot", id: null, name: "s" },
    definition: null,
    nvram: null,
    tpm: null,
    uefi: false,
    owner: "me",
    createdAt: TIME,
    protected: false,
    properties: {},
    ...more,
  };
}

/** "web1 vda" runs on this chain, top first. */
export function running(...chains: readonly (readonly string[])[]): Map<string, Holder[]> {
  const holders = new Map<string, Holder[]>();
  for (const [disk = "", ...chain] of chains) {
    const [instance = "", device = "vda"] = disk.split(" ");
    for (const [index, layer] of chain.entries()) {
      const holder: Holder = { instance, device, role: index === 0 ? "head" : "backing" };
      holders.set(layer, [...(holders.get(layer) ?? []), holder]);
    }
  }
  return holders;
}

/** Nobody runs, all layers hold 100 MiB, files can grow. */
export function facts(more: Partial<CollectFacts> & { bytes?: Record<string, number> } = {}): CollectFacts {
  const { bytes, ...rest } = more;
  return {
    holders: new Map(),
    ownBytes: (layer) => bytes?.[layer] ?? 100 * MiB,
    deviceBytes: () => null,
    ...rest,
  };
}

export const FOREIGN = { uid: 1000, gid: 1000, mode: 0o644 };
