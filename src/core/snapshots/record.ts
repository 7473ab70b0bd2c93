/**
 * The record of a snapshot that is about to be taken: of an instance or of one volume, asked for or kept by a revert.
 * Stores nothing.
 */
import { notedSeed } from "../instances/seed.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Snapshot, State, Volume } from "../model/state.ts";
import type { World } from "../ports.ts";
import type { HeadChange } from "./heads.ts";
import { freeSnapshotName } from "./names.ts";

/** What a person says of a new snapshot. */
interface SnapshotRequest {
  readonly name: string | null; // null: made from the time
  readonly description: string | null;
  readonly properties: Readonly<Record<string, string>>;
  readonly expiresAt: string | null;
  readonly protect: boolean;
  readonly schedule?: string; // sch-…, that takes it
}

type RequestedField =
  | "name"
  | "automatic"
  | "owner"
  | "createdAt"
  | "expiresAt"
  | "protected"
  | "description"
  | "properties";
type RequestedFields = Pick<Snapshot, RequestedField> & Pick<Snapshot, "schedule">;

/** As asked for. `of`: the instance's UUID or the volume's id. */
export function requestedFields(world: World, state: State, of: string, options: SnapshotRequest): RequestedFields {
  const now = world.clock.now();
  return {
    name: options.name ?? freeSnapshotName(state, of, now),
    automatic: false,
    owner: world.user,
    createdAt: now.toISOString(),
    expiresAt: options.expiresAt,
    protected: options.protect,
    description: options.description,
    properties: { ...options.properties },
    ...(options.schedule === undefined ? {} : { schedule: options.schedule }),
  };
}

/** Kept by a revert, or a rebuild, for `keepMs`. `what`: "the disks", "the volume". */
export function keptBefore(
  world: World,
  state: State,
  of: string,
  keepMs: number,
  what: string,
  deed: "revert" | "rebuild" = "revert",
): RequestedFields {
  const now = world.clock.now();
  return {
    name: freeSnapshotName(state, of, now, `before-${deed}-`),
    automatic: true,
    owner: world.user,
    createdAt: now.toISOString(),
    expiresAt: new Date(now.getTime() + keepMs).toISOString(),
    protected: false,
    description: `what ${what} held before a ${deed}`,
    properties: {},
  };
}

/**
 * Of an instance: what the layers under its new heads hold, with its definition, and the copies of what its firmware
 * keeps.
 */
export function instanceRecord(
  state: State,
  status: DomainStatus,
  heads: readonly HeadChange[],
  own: RequestedFields & Pick<Snapshot, "id" | "excluded" | "memory" | "nvram" | "tpm" | "madeOf">,
): Snapshot {
  const instance = state.instances[status.uuid];
  return {
    ...own,
    ...notedSeed(instance),
    type: "instance",
    instance: status.uuid,
    volume: null,
    parent: instance?.current ?? null,
    disks: heads.map(({ volume, device, before }) => ({
      volume,
      device,
      layer: before.id,
      sizeBytes: before.sizeBytes,
    })),
    // "crash" is raised once the guest has really been quiesced.
    consistency: own.memory !== null ? "memory" : status.live === null ? "offline" : "crash",
    definition: `${own.id}.xml`,
    uefi: status.inactive.firmware,
    vcpus: status.inactive.vcpus,
    ramBytes: status.inactive.ramBytes,
    flavor: instance?.flavor ?? null,
  };
}

/** Of one volume alone: no definition, no memory. */
export function volumeRecord(
  volume: Volume,
  { before }: HeadChange,
  own: RequestedFields & Pick<Snapshot, "id" | "parent" | "consistency" | "uefi">,
): Snapshot {
  return {
    ...own,
    type: "volume",
    instance: null,
    volume: volume.id,
    // A free volume has no device; one that is made of its snapshot is the only disk of it anyway.
    disks: [{ volume: volume.id, device: volume.device ?? "vda", layer: before.id, sizeBytes: before.sizeBytes }],
    excluded: [],
    memory: null,
    definition: null,
    nvram: null,
    tpm: null,
    vcpus: null,
    ramBytes: null,
    flavor: null,
  };
}
