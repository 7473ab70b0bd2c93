/** What people and scripts are shown of an instance; the keys are CLI.md's. */
import type { DomainState } from "../model/host.ts";
import type { Instance, State } from "../model/state.ts";
import { snapshotLabel } from "../snapshots/find.ts";
import { volumesOf } from "./volumes-of.ts";

interface InstanceVolumeView {
  readonly id: string;
  readonly device: string;
  readonly size_bytes: number;
}

/** The keys of `instance list`; `instance show` has these and more. */
export interface InstanceView {
  readonly id: string;
  readonly name: string;
  /** active, shutoff, paused, saved, shelved, build, error, or libvirt's own word. */
  readonly status: string;
  readonly flavor: string | null;
  readonly vcpus: number | null; // null: libvirt has lost the domain
  readonly ram_bytes: number | null;
  /** The name of the image (INSTANCE/NAME of the snapshot) it was made from, while that is there; then its id. */
  readonly image: string | null;
  readonly image_id: string | null;
  readonly key_name: string | null;
  readonly addresses: readonly string[];
  readonly macs: readonly string[];
  readonly volumes: readonly InstanceVolumeView[]; // of an instance that is not managed: none, its disks are no volumes
  readonly created_at: string | null; // null: before estrato
  readonly managed: boolean;
  readonly owner: string | null;
  readonly properties: Readonly<Record<string, string>>;
}

/** What libvirt says of one domain; null where it has none, or no longer. */
export interface DomainFacts {
  readonly uuid: string;
  readonly name: string;
  readonly state: DomainState;
  readonly managedSave: boolean;
  readonly vcpus: number;
  readonly ramBytes: number;
  readonly macs: readonly string[];
}

/** All words that `statusWord` gives, and what libvirt calls the same. */
export const INSTANCE_STATUSES = [
  "active",
  "shutoff",
  "paused",
  "saved",
  "shelved",
  "error",
  "shutdown",
  "pmsuspended",
  "dying",
  "running",
  "blocked",
  "crashed",
] as const;

/**
 * OpenStack's words for libvirt's states; what has none keeps libvirt's. One that is off, and whose memory libvirt has
 * saved (virsh managedsave), is `saved`: it goes on from there.
 */
export function statusWord(facts: Pick<DomainFacts, "state" | "managedSave"> | null): string {
  if (facts === null || facts.state === "crashed") return "error";
  const { state, managedSave } = facts;
  if (state === "shutoff" && managedSave) return "saved";
  if (state === "running" || state === "blocked") return "active";
  return state;
}

/** At least one of `facts` and `record` is there. `volumes`: with them, for whose sizes the layers are read. */
export function instanceView(
  state: State,
  facts: DomainFacts | null,
  record: Instance | null,
  addresses: readonly string[],
  { volumes = true } = {},
): InstanceView {
  const id = facts?.uuid ?? record?.id ?? "";
  const shelved = facts === null ? (record?.shelved ?? null) : null;
  return {
    id,
    name: facts?.name ?? record?.name ?? "",
    status: shelved === null ? statusWord(facts) : "shelved",
    flavor: record?.flavor ?? null,
    vcpus: facts?.vcpus ?? shelved?.vcpus ?? null,
    ram_bytes: facts?.ramBytes ?? shelved?.ramBytes ?? null,
    image: sourceName(state, record?.image ?? null),
    image_id: record?.image ?? null,
    key_name: record?.keyName ?? null,
    addresses,
    macs: facts?.macs ?? (shelved?.interfaces ?? record?.addresses)?.map((one) => one.mac) ?? [],
    volumes: volumes ? volumeViews(state, id) : [],
    created_at: record?.createdAt ?? null,
    managed: record !== null,
    owner: record?.owner ?? null,
    properties: record?.properties ?? {},
  };
}

function sourceName(state: State, id: string | null): string | null {
  if (id === null) return null;
  const image = state.images[id]; // first: most are made from one, and there are more snapshots to be read
  if (image !== undefined) return image.name;
  const snapshot = state.snapshots[id];
  if (snapshot !== undefined) return snapshotLabel(state, snapshot);
  return Object.values(state.layers).find(({ borrowed }) => borrowed?.image === id)?.borrowed?.name ?? id;
}

function volumeViews(state: State, uuid: string): InstanceVolumeView[] {
  return [...volumesOf(state, uuid)].map(([device, volume]) => ({
    id: volume.id,
    device,
    size_bytes: state.layers[volume.head]?.sizeBytes ?? 0,
  }));
}
