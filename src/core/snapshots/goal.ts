/** What an instance goes on from, in new empty heads: what a snapshot holds, or an image. */
import { EstratoError } from "../../errors.ts";
import type { Firmware } from "../firmware.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Base, Layer, Snapshot, SnapshotMemory, State, Volume } from "../model/state.ts";
import type { World } from "../ports.ts";
import { snapshotLabel } from "./find.ts";
import { type ReadMemory, requireRestorable } from "./restorable.ts";

/** What an instance is made of. */
export interface MadeOf {
  readonly image: string | null; // id of an image or a snapshot
  readonly base?: Base | undefined;
}

/** The seed that it is to have. */
export interface GoalSeed {
  readonly path: string;
  /** It is made of that one first; null: it is there. */
  readonly renewed: { readonly from: string; readonly instanceId: string } | null;
}

export interface Goal {
  readonly id: string;
  /** "snapshot web1/s1": for messages. */
  readonly label: string;
  readonly deed: "revert" | "rebuild";
  /** The sizes that its disks get at least; a rebuild leaves none smaller than it is. */
  readonly disks: readonly { readonly volume: Volume; readonly layer: Layer; readonly sizeBytes: number }[];
  /** Names of copies in the store's nvram/. */
  readonly firmware: Firmware;
  /** Where it brings no variables of UEFI, new ones are made. */
  readonly freshNvram: boolean;
  readonly memory: SnapshotMemory | null;
  readonly readMemory: ReadMemory;
  /** The snapshot that its heads stand on then. */
  readonly current: string | null;
  /** The automatic snapshot that an unrevert uses up. */
  readonly usedUp: string | null;
  /** Null: its seed stays. */
  readonly seed: GoalSeed | null;
  /** Null: it stays what it is. */
  readonly madeOf: MadeOf | null;
  /** Borrowed layers that the heads stand on, which come with them. */
  readonly loans: readonly Layer[];
}

/**
 * Throws "conflict", "host" or "integrity" where the snapshot cannot be reverted to. `usedUp`: the automatic one that
 * an unrevert goes back to.
 */
export async function snapshotGoal(
  world: World,
  state: State,
  status: DomainStatus,
  snapshot: Snapshot,
  usedUp: string | null,
): Promise<Goal> {
  let saved: Promise<string> | undefined;
  const readMemory = (path: string) => (saved ??= world.host.memoryDefinition(path));
  await requireRestorable(world, state, snapshot, status, readMemory);
  const volumes = volumesOf(state, status.uuid);
  const label = `snapshot ${snapshotLabel(state, snapshot)}`;
  const disks = snapshot.disks.map((disk) => {
    const volume = [...volumes.values()].find((one) => one.id === disk.volume);
    const layer = state.layers[disk.layer];
    if (volume === undefined || layer === undefined)
      throw new EstratoError("integrity", `${label}: a layer of ${disk.device} is not recorded`);
    // A revert takes the disk's size of the snapshot; what is kept has the size it has now.
    return { volume: { ...volume, device: volume.device ?? disk.device }, layer, sizeBytes: layer.sizeBytes };
  });
  return {
    id: snapshot.id,
    label,
    deed: "revert",
    disks,
    firmware: snapshot,
    freshNvram: false,
    memory: snapshot.memory,
    readMemory,
    current: usedUp === null ? snapshot.id : (snapshot.parent ?? null),
    usedUp,
    seed: await seedOf(world, state, status, snapshot),
    madeOf: snapshot.madeOf ?? null,
    loans: [],
  };
}

/**
 * cloud-init takes a seed of another instance-id for another instance: disks go back together with the seed that they
 * were booted with.
 */
async function seedOf(world: World, state: State, status: DomainStatus, snapshot: Snapshot): Promise<GoalSeed | null> {
  const now = state.instances[status.uuid]?.seed ?? null;
  const path = snapshot.seed ?? world.store.paths.seed(status.uuid);
  if (now === null || now === path) return null;
  if ((await world.host.fileInfo(path)) !== null) return { path, renewed: null };
  throw new EstratoError("integrity", `snapshot ${snapshotLabel(state, snapshot)}: its seed ${path} is not there`, {
    hint: "Put the file back from a copy, and try again.",
  });
}
