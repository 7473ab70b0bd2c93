/** Everything that a revert is about to make and do, decided before anything is touched. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import {
  type Copy,
  copyNames,
  copySchema,
  type Firmware,
  firmwareOf,
  NO_FIRMWARE,
  pathsOf,
  requireCopies,
} from "../firmware.ts";
import { requireFree } from "../forwards/free-ports.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import type { DomainStatus } from "../model/host.ts";
import { type Instance, recordSchemas, type Snapshot, type State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";
import { requireAgreement } from "../truth.ts";
import { snapshotLabel } from "./find.ts";
import { editedDisks, type HeadChange, headChangeSchema, newHead } from "./heads.ts";
import { instanceRecord, keptByRevert } from "./record.ts";
import { type ReadMemory, requireRestorable } from "./restorable.ts";

export interface RevertOptions {
  /** Keep no automatic snapshot of what the disks hold now. */
  readonly discard: boolean;
  /** How long the automatic snapshot is kept, in ms. */
  readonly keepMs: number;
}

/** What was reverted. */
export interface Reverted {
  /** Null where it was a volume's. */
  readonly instance: string | null;
  /** The volume's name, where it was a volume's. */
  readonly volume: string | null;
  readonly snapshot: string;
  /** The automatic snapshot that `unrevert` goes back to; null with `discard`. */
  readonly kept: Snapshot | null;
}

/** What the journal remembers. */
export interface RevertData {
  readonly uuid: string;
  readonly instanceName: string;
  readonly target: string;
  /** The snapshot that becomes `current`. */
  readonly current: string | null;
  readonly kept: Snapshot | null;
  /** The automatic snapshot that an unrevert uses up. */
  readonly usedUp: string | null;
  readonly heads: readonly HeadChange[];
  /** `previous`: the copy that an earlier revert made, which goes; null where the file is not ours. */
  readonly nvram: (Copy & { readonly previous: string | null }) | null;
  /** It has one place, where only a guest that is off can be given another. */
  readonly tpm: Copy | null;
  /** What there is now, for the automatic snapshot. */
  readonly keep: { readonly nvram: Copy | null; readonly tpm: Copy | null };
  readonly xmlBefore: string;
  readonly xmlAfter: string;
  /** The memory that it resumes from, and the definition for that; absent where it has none. */
  readonly memory?: { readonly path: string; readonly xml: string; readonly paused: boolean } | null;
  readonly was: "running" | "paused" | "off";
  readonly undoBefore: string | null;
  readonly currentBefore: string | null;
}

export const revertDataSchema: v.GenericSchema<unknown, RevertData> = v.object({
  uuid: v.string(),
  instanceName: v.string(),
  target: v.string(),
  current: v.nullable(v.string()),
  kept: v.nullable(recordSchemas.snapshot),
  usedUp: v.nullable(v.string()),
  heads: v.array(headChangeSchema),
  nvram: v.nullable(v.object({ ...copySchema.entries, previous: v.nullable(v.string()) })),
  tpm: v.nullable(copySchema),
  keep: v.object({ nvram: v.nullable(copySchema), tpm: v.nullable(copySchema) }),
  xmlBefore: v.string(),
  xmlAfter: v.string(),
  memory: v.exactOptional(v.nullable(v.object({ path: v.string(), xml: v.string(), paused: v.boolean() }))),
  was: v.picklist(["running", "paused", "off"]),
  undoBefore: v.nullable(v.string()),
  currentBefore: v.nullable(v.string()),
});

/**
 * Throws "conflict", "host" or "integrity" where it cannot be; reads only. `usedUp`: the automatic snapshot that an
 * unrevert goes back to.
 */
export async function planRevert(
  world: World,
  state: State,
  status: DomainStatus,
  snapshot: Snapshot,
  usedUp: string | null,
  options: RevertOptions,
): Promise<RevertData> {
  const facts = await requireAgreement(world, state, status);
  let saved: Promise<string> | undefined;
  const read = (path: string) => (saved ??= world.host.memoryDefinition(path));
  await requireRestorable(world, state, snapshot, status, read);
  const volumes = volumesOf(state, status.uuid);
  const instance = state.instances[status.uuid];
  const heads: HeadChange[] = [];
  for (const disk of snapshot.disks) {
    const volume = [...volumes.values()].find((one) => one.id === disk.volume);
    const layer = state.layers[disk.layer];
    const before = state.layers[volume?.head ?? ""];
    if (volume === undefined || before === undefined || layer === undefined)
      throw new EstratoError(
        "integrity",
        `snapshot ${snapshotLabel(state, snapshot)}: a layer of ${disk.device} is not recorded`,
      );
    const fact = facts.find((one) => one.volume.id === volume.id);
    const sizeBytes = Math.max(before.sizeBytes, fact?.liveSizeBytes ?? 0);
    // A revert takes the disk's size of the snapshot; what is kept has the size it has now.
    heads.push(
      newHead(
        world,
        state,
        { ...volume, device: volume.device ?? disk.device },
        { ...before, sizeBytes },
        layer,
        layer.sizeBytes,
      ),
    );
  }
  await requireSpace(world, heads.length * EMPTY_HEAD_BYTES, `revert of ${status.name}`);
  await requireCopies(world, snapshot, `snapshot ${snapshotLabel(state, snapshot)}`);
  const { userNetwork } = instance ?? {};
  if (snapshot.memory !== null && status.live === null)
    await requireFree(world, state, status.uuid, userNetwork?.forwards ?? []);
  const present = await firmwareOf(world, status.inactive);
  const keep = () => {
    const fields = keptByRevert(world, state, status.uuid, options.keepMs, "the disks");
    const id = world.ids.next("snap");
    const own = { ...fields, id, excluded: [], memory: null, ...copyNames(id, present) };
    return instanceRecord(state, status, heads, own);
  };
  const kept = options.discard ? null : keep();
  const held = pathsOf(world, snapshot);
  const nvram = planNvram(world, status, held, heads);
  return {
    uuid: status.uuid,
    instanceName: status.name,
    target: snapshot.id,
    current: usedUp === null ? snapshot.id : (snapshot.parent ?? null),
    kept,
    usedUp,
    heads,
    nvram,
    tpm: copyOf(held.tpm, status.inactive.tpm),
    keep: keptCopies(world, present, kept),
    xmlBefore: world.host.editDefinition(status.inactive.xml, {
      disks: editedDisks(heads, "before"),
      dropBackingStore: true,
    }),
    xmlAfter: world.host.editDefinition(status.inactive.xml, {
      disks: editedDisks(heads, "after"),
      dropBackingStore: true,
      newGenerationId: true,
      ...(nvram === null ? {} : { nvram: nvram.to }),
    }),
    memory: await planMemory(world, snapshot, heads, { nvram, userNetwork }, read),
    was: status.live === null ? "off" : status.state === "paused" ? "paused" : "running",
    undoBefore: instance?.undo ?? null,
    currentBefore: instance?.current ?? null,
  };
}

/**
 * libvirt wants the definition that the memory was saved under; only where its disks and NVRAM lie may differ, and the
 * ports that lead to it, which are those of now.
 */
async function planMemory(
  world: World,
  snapshot: Snapshot,
  heads: readonly HeadChange[],
  { nvram, userNetwork }: Pick<RevertData, "nvram"> & { readonly userNetwork: Instance["userNetwork"] },
  read: ReadMemory,
): Promise<NonNullable<RevertData["memory"]> | null> {
  if (snapshot.memory === null) return null;
  const path = world.store.paths.memory(snapshot.memory.file);
  const xml = world.host.editDefinition(await read(path), {
    disks: editedDisks(heads, "after"),
    dropBackingStore: true,
    ...(nvram === null ? {} : { nvram: nvram.to }),
    ...(userNetwork?.backend === "passt" ? { forwards: userNetwork.forwards } : {}),
  });
  return { path, xml, paused: snapshot.memory.paused };
}

/** A new name for each copy, so that one define switches disks and NVRAM together. */
function planNvram(
  world: World,
  status: DomainStatus,
  held: Firmware,
  heads: readonly HeadChange[],
): RevertData["nvram"] {
  const first = heads[0];
  if (held.nvram === null || first === undefined) return null;
  const current = status.inactive.nvram;
  return {
    from: held.nvram,
    to: first.after.file.replace(/\.qcow2$/, ".fd"),
    previous: current?.startsWith(`${world.store.paths.layersFolder}/`) ? current : null,
  };
}

function keptCopies(world: World, present: Firmware, kept: Snapshot | null): RevertData["keep"] {
  const to = kept === null ? NO_FIRMWARE : pathsOf(world, kept);
  return { nvram: copyOf(present.nvram, to.nvram), tpm: copyOf(present.tpm, to.tpm) };
}

function copyOf(from: string | null, to: string | null): Copy | null {
  return from === null || to === null ? null : { from, to };
}
