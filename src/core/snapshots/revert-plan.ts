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
import type { DomainStatus } from "../model/host.ts";
import { type Instance, type Layer, recordSchemas, type Snapshot, type State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";
import type { HeadFacts } from "../truth.ts";
import type { Goal, GoalSeed, MadeOf } from "./goal.ts";
import { asLargeAsSeen, editedDisks, type HeadChange, headChangeSchema, newHead, requireUnshared } from "./heads.ts";
import { instanceRecord, keptBefore } from "./record.ts";

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
  /**
   * `previous`: the copy that an earlier revert made, which goes; null where the file is not ours. `from` null: libvirt
   * makes it at the next start.
   */
  readonly nvram: { readonly from: string | null; readonly to: string; readonly previous: string | null } | null;
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
  /** The seed that it gets; absent: it keeps the one it has. */
  readonly seed?: GoalSeed;
  /** What it is made of from then on; absent: what it was. */
  readonly madeOf?: MadeOf;
  /** Of a rebuild: layers of a lender's that the new heads stand on. */
  readonly loans?: readonly Layer[];
}

export function deedOf({ loans }: RevertData): "revert" | "rebuild" {
  return loans === undefined ? "revert" : "rebuild";
}

export const revertDataSchema: v.GenericSchema<unknown, RevertData> = v.object({
  uuid: v.string(),
  instanceName: v.string(),
  target: v.string(),
  current: v.nullable(v.string()),
  kept: v.nullable(recordSchemas.snapshot),
  usedUp: v.nullable(v.string()),
  heads: v.array(headChangeSchema),
  nvram: v.nullable(v.object({ from: v.nullable(v.string()), to: v.string(), previous: v.nullable(v.string()) })),
  tpm: v.nullable(copySchema),
  keep: v.object({ nvram: v.nullable(copySchema), tpm: v.nullable(copySchema) }),
  xmlBefore: v.string(),
  xmlAfter: v.string(),
  memory: v.exactOptional(v.nullable(v.object({ path: v.string(), xml: v.string(), paused: v.boolean() }))),
  was: v.picklist(["running", "paused", "off"]),
  undoBefore: v.nullable(v.string()),
  currentBefore: v.nullable(v.string()),
  seed: v.exactOptional(
    v.object({
      path: v.string(),
      renewed: v.nullable(v.object({ from: v.string(), instanceId: v.string() })),
    }),
  ),
  madeOf: v.exactOptional(v.object({ image: v.nullable(v.string()), base: v.optional(recordSchemas.base) })),
  loans: v.exactOptional(v.array(recordSchemas.layer)),
});

/**
 * Throws "conflict", "host" or "integrity" where it cannot be; reads only. `facts`: what all witnesses say of its
 * disks.
 */
export async function planRevert(
  world: World,
  state: State,
  status: DomainStatus,
  facts: readonly HeadFacts[],
  goal: Goal,
  options: RevertOptions,
): Promise<RevertData> {
  const instance = state.instances[status.uuid];
  const heads: HeadChange[] = [];
  for (const { volume, layer, sizeBytes: wantedBytes } of goal.disks) {
    const head = state.layers[volume.head];
    if (head === undefined)
      throw new EstratoError("integrity", `${goal.label}: the head of ${volume.device} is not recorded`);
    const fact = facts.find((one) => one.volume.id === volume.id);
    if (fact !== undefined) requireUnshared(fact, status.name);
    const what = `instance ${status.name}: disk ${volume.device}`;
    const before = await asLargeAsSeen(world, head, fact?.liveSizeBytes ?? null, what);
    const leastBytes = goal.deed === "rebuild" ? before.sizeBytes : 0; // its size stays
    heads.push(newHead(world, state, volume, before, layer, Math.max(wantedBytes, leastBytes)));
  }
  await requireSpace(world, heads.length * EMPTY_HEAD_BYTES, `${goal.deed} of ${status.name}`);
  await requireCopies(world, goal.firmware, goal.label);
  const { userNetwork } = instance ?? {};
  if (goal.memory !== null && status.live === null)
    await requireFree(world, state, status.uuid, userNetwork?.forwards ?? []);
  const present = await firmwareOf(world, status.inactive);
  const madeOf = { image: instance?.image ?? null, ...(instance?.base && { base: instance.base }) };
  const keep = () => {
    const fields = keptBefore(world, state, status.uuid, options.keepMs, "the disks", goal.deed);
    const id = world.ids.next("snap");
    const own = { ...fields, id, excluded: [], memory: null, ...copyNames(id, present) };
    return instanceRecord(state, status, heads, { ...own, ...(goal.madeOf === null ? {} : { madeOf }) });
  };
  const kept = options.discard ? null : keep();
  const held = pathsOf(world, goal.firmware);
  const nvram = planNvram(world, status, held, heads, goal.freshNvram);
  const seed = planSeed(state, status, goal.seed);
  return {
    uuid: status.uuid,
    instanceName: status.name,
    target: goal.id,
    current: goal.current,
    kept,
    usedUp: goal.usedUp,
    heads,
    nvram,
    tpm: copyOf(held.tpm, status.inactive.tpm),
    keep: keptCopies(world, present, kept),
    xmlBefore: world.host.editDefinition(status.inactive.xml, {
      disks: editedDisks(heads, "before"),
      dropBackingStore: true,
    }),
    xmlAfter: world.host.editDefinition(status.inactive.xml, {
      disks: { ...editedDisks(heads, "after"), ...seed?.disks },
      dropBackingStore: true,
      newGenerationId: true,
      ...(nvram === null ? {} : { nvram: nvram.to }),
    }),
    memory: await planMemory(world, goal, heads, { nvram, userNetwork }),
    was: status.live === null ? "off" : status.state === "paused" ? "paused" : "running",
    undoBefore: instance?.undo ?? null,
    currentBefore: instance?.current ?? null,
    ...(seed === null ? {} : { seed: seed.data }),
    ...(goal.madeOf === null ? {} : { madeOf: goal.madeOf }),
    ...(goal.deed === "rebuild" ? { loans: goal.loans } : {}),
  };
}

/** The drive is the one that has the seed now: a definition that a person took it out of stays so. */
function planSeed(state: State, status: DomainStatus, seed: GoalSeed | null) {
  const now = state.instances[status.uuid]?.seed ?? null;
  const drive = status.inactive.disks.find(({ source }) => source !== null && source === now);
  if (seed === null || drive === undefined) return null;
  return { data: seed, disks: { [drive.device]: { path: seed.path, format: drive.format } } };
}

/**
 * libvirt wants the definition that the memory was saved under; only where its disks and NVRAM lie may differ, and the
 * ports that lead to it, which are those of now.
 */
async function planMemory(
  world: World,
  { memory, readMemory }: Goal,
  heads: readonly HeadChange[],
  { nvram, userNetwork }: Pick<RevertData, "nvram"> & { readonly userNetwork: Instance["userNetwork"] },
): Promise<NonNullable<RevertData["memory"]> | null> {
  if (memory === null) return null;
  const path = world.store.paths.memory(memory.file);
  const xml = world.host.editDefinition(await readMemory(path), {
    disks: editedDisks(heads, "after"),
    dropBackingStore: true,
    ...(nvram === null ? {} : { nvram: nvram.to }),
    ...(userNetwork?.backend === "passt" ? { forwards: userNetwork.forwards } : {}),
  });
  return { path, xml, paused: memory.paused };
}

/** A new name for each copy, so that one define switches disks and NVRAM together. */
function planNvram(
  world: World,
  status: DomainStatus,
  held: Firmware,
  heads: readonly HeadChange[],
  isFresh: boolean,
): RevertData["nvram"] {
  const first = heads[0];
  if (first === undefined || (held.nvram === null && !(isFresh && status.inactive.firmware))) return null;
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
