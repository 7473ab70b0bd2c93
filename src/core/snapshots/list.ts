/** What `snapshot list`, `tree` and `show` say: the contract's JSON (CLI.md), made from the state. */
import { EstratoError } from "../../errors.ts";
import { compareAges } from "../../order.ts";
import { layerGraph } from "../graph/references.ts";
import { exclusiveOf } from "../layers/freed.ts";
import type { DomainStatus } from "../model/host.ts";
import { passingRows } from "../model/passing.ts";
import type { Snapshot, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { foreignId } from "./foreign.ts";
import { snapshotsOf } from "./names.ts";

export interface SnapshotView {
  readonly id: string;
  readonly name: string;
  readonly type: "instance" | "volume" | "libvirt";
  readonly status: "available" | "expired";
  readonly instance: string | null;
  readonly instance_id: string | null;
  readonly volume: string | null;
  readonly parent: string | null;
  readonly current: boolean;
  readonly memory: boolean;
  readonly consistency: Snapshot["consistency"] | null;
  readonly size_bytes: number;
  /** What deleting it would free; null where it was not measured, libvirt holds it, or a file cannot be read. */
  readonly exclusive_bytes: number | null;
  readonly automatic: boolean;
  /** The id of the schedule that took it. */
  readonly schedule: string | null;
  readonly owner: string | null;
  readonly created_at: string | null;
  readonly expires_at: string | null;
  readonly protected: boolean;
  readonly description: string | null;
  readonly properties: Readonly<Record<string, string>>;
  readonly disks: readonly { readonly device: string; readonly volume: string; readonly size_bytes: number }[];
  readonly excluded: readonly string[];
}

export interface SnapshotFilter {
  /** UUID. */
  readonly instance?: string;
  readonly volume?: string;
  /** A user's name; absent: everybody's. */
  readonly owner?: string;
}

/** The snapshots that match, oldest first, with libvirt's own of one named instance at the end, marked. */
export async function listSnapshots(world: World, filter: SnapshotFilter, measured: boolean): Promise<SnapshotView[]> {
  const state = await world.store.read();
  // What is measured needs the whole graph. Else little is asked of each of what may be ten thousand.
  const all = measured ? Object.values(state.snapshots) : [...passingRows(state, "snapshots")];
  const found = all
    .filter((one) => filter.instance === undefined || one.instance === filter.instance)
    .filter((one) => filter.volume === undefined || one.disks.some((disk) => disk.volume === filter.volume))
    .filter((one) => filter.owner === undefined || one.owner === filter.owner)
    .sort(compareAges);
  const views = await viewSnapshots(world, state, found, measured);
  if (filter.instance === undefined || filter.owner !== undefined || filter.volume !== undefined) return views;
  return [...views, ...(await libvirtSnapshots(world, filter.instance))];
}

/** Views of these; with the bytes that are theirs alone, for which files are read, only where they are `measured`. */
export async function viewSnapshots(
  world: World,
  state: State,
  snapshots: readonly Snapshot[],
  measured: boolean,
): Promise<SnapshotView[]> {
  const pointers = snapshots.map(({ id }) => [{ kind: "snapshot" as const, id }]);
  const exclusive = measured ? await exclusiveOf(world, state, pointers) : [];
  const now = world.clock.now().toISOString();
  return snapshots.map((one, index) => new StoredView(one, state, now, exclusive[index] ?? null));
}

/** Each key is found when it is asked for: of ten thousand snapshots, most are asked for their names alone. */
class StoredView implements SnapshotView {
  readonly #one: Snapshot;
  readonly #state: State;
  readonly #now: string;
  readonly exclusive_bytes: number | null;

  constructor(one: Snapshot, state: State, now: string, exclusiveBytes: number | null) {
    this.#one = one;
    this.#state = state;
    this.#now = now;
    this.exclusive_bytes = exclusiveBytes;
  }

  get id() {
    return this.#one.id;
  }
  get name() {
    return this.#one.name;
  }
  get type() {
    return this.#one.type;
  }
  get status() {
    const { expiresAt } = this.#one;
    return expiresAt !== null && expiresAt <= this.#now ? "expired" : "available";
  }
  get instance() {
    const { instance } = this.#one;
    return instance === null ? null : (this.#state.instances[instance]?.name ?? null);
  }
  get instance_id() {
    return this.#one.instance;
  }
  get volume() {
    return this.#one.volume;
  }
  get parent() {
    return this.#one.parent;
  }
  get current() {
    return isCurrent(this.#state, this.#one);
  }
  get memory() {
    return this.#one.memory !== null;
  }
  get consistency() {
    return this.#one.consistency;
  }
  get size_bytes() {
    const { disks, memory } = this.#one;
    return disks.reduce((sum, disk) => sum + disk.sizeBytes, memory?.sizeBytes ?? 0);
  }
  get automatic() {
    return this.#one.automatic;
  }
  get schedule() {
    return this.#one.schedule ?? null;
  }
  get owner() {
    return this.#one.owner;
  }
  get created_at() {
    return this.#one.createdAt;
  }
  get expires_at() {
    return this.#one.expiresAt;
  }
  get protected() {
    return this.#one.protected;
  }
  get description() {
    return this.#one.description;
  }
  get properties() {
    return this.#one.properties;
  }
  get disks() {
    return this.#one.disks.map(({ device, volume, sizeBytes }) => ({ device, volume, size_bytes: sizeBytes }));
  }
  get excluded() {
    return this.#one.excluded;
  }
}

/** Current only where all its volumes' heads stand on it, with nothing but backups' bookmarks between. */
function isCurrent(state: State, snapshot: Snapshot): boolean {
  if (snapshot.instance !== null && state.instances[snapshot.instance]?.current !== snapshot.id) return false;
  return snapshot.disks.every(({ volume, layer }) => {
    let at = state.layers[state.volumes[volume]?.head ?? ""]?.parent ?? null;
    while (at !== null && at !== layer && isBookmarkAlone(state, at)) at = state.layers[at]?.parent ?? null;
    return at === layer;
  });
}

function isBookmarkAlone(state: State, layer: string): boolean {
  const pointers = layerGraph(state).pointers.get(layer) ?? [];
  return pointers.length > 0 && pointers.every(({ kind }) => kind === "backup");
}

async function libvirtSnapshots(world: World, uuid: string): Promise<SnapshotView[]> {
  const status = await world.host.domainStatus(uuid);
  return status === null ? [] : status.snapshots.map((name) => foreignView(status, name));
}

/** Of one that libvirt holds: little is known of it. */
export function foreignView(status: DomainStatus, name: string): SnapshotView {
  return {
    id: foreignId(name),
    name,
    type: "libvirt",
    status: "available",
    instance: status.name,
    instance_id: status.uuid,
    volume: null,
    parent: null,
    current: false,
    memory: false,
    consistency: null,
    size_bytes: 0,
    exclusive_bytes: null,
    automatic: false,
    schedule: null,
    owner: null,
    created_at: null,
    expires_at: null,
    protected: false,
    description: "libvirt's own: never touched",
    properties: {},
    disks: [],
    excluded: [],
  };
}

export interface TreeNode extends Pick<SnapshotView, (typeof TREE_KEYS)[number]> {
  readonly children: readonly TreeNode[];
}

/** What the tree says of each; SnapshotView says what it is. */
export const TREE_KEYS = [
  "id",
  "name",
  "created_at",
  "consistency",
  "memory",
  "automatic",
  "protected",
  "exclusive_bytes",
] as const satisfies readonly (keyof SnapshotView)[];

export interface SnapshotTree {
  readonly instance: string;
  readonly current: string | null;
  readonly roots: readonly TreeNode[];
}

/** The tree of an instance's snapshots, children by age; `measured` as of viewSnapshots. */
export async function snapshotTree(world: World, state: State, uuid: string, measured: boolean): Promise<SnapshotTree> {
  const instance = state.instances[uuid];
  if (instance === undefined)
    throw new EstratoError("not_found", `instance ${uuid}: it has no snapshots`, {
      hint: `Take one: estrato snapshot create ${uuid}.`,
    });
  const all = await viewSnapshots(world, state, snapshotsOf(state, uuid), measured);
  const known = new Set(all.map((one) => one.id));
  const childrenOf = new Map<string | null, SnapshotView[]>();
  for (const one of all) {
    const parent = one.parent !== null && known.has(one.parent) ? one.parent : null;
    childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), one]);
  }
  const nodesOn = (parent: string | null): TreeNode[] =>
    (childrenOf.get(parent) ?? []).map((one) => ({ ...treeKeysOf(one), children: nodesOn(one.id) }));
  return {
    instance: instance.name,
    current: all.find((one) => one.current)?.id ?? null,
    roots: nodesOn(null),
  };
}

function treeKeysOf(one: SnapshotView): Omit<TreeNode, "children"> {
  return Object.fromEntries(TREE_KEYS.map((key) => [key, one[key]])) as unknown as Omit<TreeNode, "children">;
}
