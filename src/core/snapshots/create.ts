/** `snapshot create` of an instance: all its disks at one moment, on which new empty heads then stand. */
import { EstratoError } from "../../errors.ts";
import { copyNames, firmwareOf } from "../firmware.ts";
import { requireRoomInChain } from "../graph/limits.ts";
import { depth } from "../graph/references.ts";
import { coveredDisks, coveredIn, leaveOut, planAdoption } from "../instances/adopt.ts";
import type { Look } from "../instances/find.ts";
import { withInstance } from "../instances/with-instance.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Snapshot, State } from "../model/state.ts";
import { requireName } from "../names.ts";
import { run } from "../operations/operation.ts";
import type { PlanView } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";
import { type HeadFacts, refuseUnsafe, requireAgreement } from "../truth.ts";
import { findToChange } from "../volumes/take-in.ts";
import { createSnapshotKind } from "./create-recovery.ts";
import { type CreateData, createSnapshotSteps } from "./create-steps.ts";
import { asLargeAsItIs, type HeadChange, newHead, requireUnshared } from "./heads.ts";
import { planMemory } from "./memory-file.ts";
import { requireFreeSnapshotName } from "./names.ts";
import { instanceRecord, requestedFields } from "./record.ts";
import { obstacleOfHost } from "./restorable.ts";

export interface CreateSnapshotOptions {
  readonly instance: string;
  readonly name: string | null; // null: made from the time
  readonly quiesce: "try" | "require" | "off";
  readonly excludeDisks: readonly string[];
  readonly description: string | null;
  readonly properties: Readonly<Record<string, string>>;
  readonly expiresAt: string | null;
  readonly protect: boolean;
  /** With the memory of the running guest, in the same instant as its disks. */
  readonly memory?: boolean;
  /** The schedule that takes it, by its id. */
  readonly schedule?: string;
}

/** Nothing of libvirt's encrypts a saved memory. */
const MEMORY_IS_PLAIN =
  "its memory is not encrypted in this snapshot, and may hold what it read from its encrypted disks";
const AGENT_PING_MS = 2_000;
const ANY_HOST_STARTS = 24;

/**
 * Takes a snapshot. Afterwards its layers are frozen, the instance runs on (or stays off) in new heads, and the record
 * is stored. Moves no data. Throws "conflict", "host", "integrity" or "not_found" before anything is touched. A dry run
 * returns the plan and changes nothing.
 */
export async function createSnapshot(world: World, options: CreateSnapshotOptions): Promise<Snapshot | PlanView> {
  if (options.name !== null) requireName("snapshot", options.name);
  requireCompatible(options);
  return withInstance(world, options.instance, (locks, uuid, meant) =>
    createSnapshotLocked(world, locks, uuid, options, meant),
  );
}

/** The same, under a lock that the caller holds. `meant`: as findAgain. */
export async function createSnapshotLocked(
  world: World,
  locks: HeldLocks,
  uuid: string,
  options: CreateSnapshotOptions,
  meant?: string,
): Promise<Snapshot | PlanView> {
  const look: Look = { also: "qemu", ...(meant === undefined ? {} : { meant }) };
  const { status } = await findToChange(world, locks, uuid, look);
  refuseUnsafe(status);
  requireKnownDevices(status, options.excludeDisks);
  if (options.name !== null) requireFreeSnapshotName(await world.store.read(), status, options.name);
  const adoption = await planAdoption(world, status, options.excludeDisks, options.memory ? undefined : leaveOut);
  const { state } = adoption;
  const heads = await planHeads(world, state, status, options.excludeDisks);
  // What is in the memory need not be written to the disks: frozen file systems would be frozen again after a revert.
  const quiesce = options.memory ? false : await chooseQuiesce(world, status, options.quiesce);
  const id = world.ids.next("snap");
  const memory = options.memory ? await planMemory(world, status, id) : null;
  const excluded = coveredDisks(status)
    .map((disk) => disk.device)
    .filter((device) => options.excludeDisks.includes(device));
  const fields = requestedFields(world, state, uuid, options);
  const firmware = await firmwareOf(world, status.inactive);
  const snapshot = instanceRecord(state, status, heads, {
    ...fields,
    id,
    excluded,
    memory,
    ...copyNames(id, firmware),
  });
  const data: CreateData = { uuid, snapshot, heads, excluded: leftOut(status, heads) };
  const steps = createSnapshotSteps(
    world,
    locks,
    { state, status, firmware },
    data,
    quiesce,
    options.quiesce === "require",
  );
  return run(world, locks, {
    kind: createSnapshotKind,
    target: `${status.name}/${snapshot.name}`,
    data,
    steps,
    begin: async () => {
      world.host.prepare(locks.fds); // while the journal and what precedes it are written
      if (memory !== null && heads.some(({ after }) => after.secret !== null)) {
        world.report.note(`${status.name}: ${MEMORY_IS_PLAIN}`);
      }
      noteUnnamed(world, status, options.excludeDisks);
      await adoption.store(locks);
    },
    result: async () => {
      const stored = await storedSnapshot(world, snapshot);
      if (stored.memory !== null) await noteUnrestorable(world, stored);
      return stored;
    },
  });
}

/** Throws "integrity" where it is not there. */
export async function storedSnapshot(world: World, { id, name }: Snapshot): Promise<Snapshot> {
  const stored = (await world.store.read()).snapshots[id];
  if (stored === undefined) throw new EstratoError("integrity", `snapshot ${name}: it was not recorded`);
  return stored;
}

/** The time to learn that a memory cannot be resumed is not the night of the restore. */
async function noteUnrestorable(world: World, snapshot: Snapshot): Promise<void> {
  const obstacle = await obstacleOfHost(world, snapshot);
  if (obstacle !== null) world.report.note(`${snapshot.name}: it cannot be resumed as things are: ${obstacle.reason}`);
}

/** Throws "usage": a memory without one of its disks would write its old page cache over it (LIBVIRT.md, trap 16). */
function requireCompatible({ memory, excludeDisks, quiesce }: CreateSnapshotOptions): void {
  if (!memory) return;
  if (excludeDisks.length > 0)
    throw new EstratoError("usage", "--memory and --exclude-disk: memory belongs to all of its disks", {
      hint: "Leave one of them out.",
    });
  if (quiesce === "require")
    throw new EstratoError("usage", "--memory and --quiesce require: with its memory nothing needs to be quiesced", {
      hint: "Leave one of them out.",
    });
}

function requireKnownDevices(status: DomainStatus, devices: readonly string[]): void {
  const known = new Set([...status.inactive.disks, ...(status.live?.disks ?? [])].map((disk) => disk.device));
  for (const device of devices) {
    if (known.has(device)) continue;
    throw new EstratoError("usage", `instance ${status.name}: it has no disk ${device}`, {
      hint: `Its disks: ${[...known].join(", ")}.`,
    });
  }
}

async function planHeads(
  world: World,
  state: State,
  status: DomainStatus,
  excluded: readonly string[],
): Promise<HeadChange[]> {
  const facts = await requireAgreement(world, state, status);
  const maxChain = await chainLimit(world, state, facts);
  const heads: HeadChange[] = [];
  for (const fact of facts) {
    if (excluded.includes(fact.device)) continue;
    const head = state.layers[fact.volume.head];
    if (head === undefined)
      throw new EstratoError("integrity", `volume ${fact.volume.id}: its head ${fact.volume.head} is not recorded`);
    requireUnshared(fact, status.name);
    const what = `instance ${status.name}: disk ${fact.device}`;
    const note = requireRoomInChain(state, head.id, maxChain, what);
    if (note !== null) world.report.note(note);
    const before = await asLargeAsItIs(world, head, fact.liveSizeBytes, what);
    heads.push(newHead(world, state, fact.volume, before, before, before.sizeBytes));
  }
  if (heads.length === 0) {
    throw new EstratoError("conflict", `instance ${status.name}: there is no disk to take a snapshot of`, {
      hint: `See its disks: estrato instance show ${status.name}.`,
    });
  }
  await requireSpace(world, heads.length * EMPTY_HEAD_BYTES, `snapshot of ${status.name}`);
  return heads;
}

/** What this host can start. Every libvirt starts chains of 24: it is asked only where one comes near that. */
async function chainLimit(world: World, state: State, facts: readonly HeadFacts[]): Promise<number> {
  const longest = Math.max(0, ...facts.map(({ volume }) => depth(state, volume.head)));
  return longest < ANY_HOST_STARTS ? ANY_HOST_STARTS : (await world.host.capabilities()).maxChain;
}

/**
 * Every other disk that the guest has now must be named as left out, or libvirt would make an overlay of its own for
 * it; and none that it gets, or gets rid of, with its next start.
 */
export function leftOut({ live, inactive }: DomainStatus, heads: readonly HeadChange[]): string[] {
  const taken = new Set(heads.map((head) => head.device));
  return (live ?? inactive).disks.map((disk) => disk.device).filter((device) => !taken.has(device));
}

/** Those that would be in it if a definition named them: nothing could bring them back. */
function noteUnnamed(world: World, { name, live, inactive }: DomainStatus, excluded: readonly string[]): void {
  const named = new Set([...inactive.disks.map(({ device }) => device), ...excluded]);
  const devices = live === null ? [] : coveredIn(live).flatMap(({ device }) => (named.has(device) ? [] : [device]));
  if (devices.length === 0) return;
  world.report.note(`${name}: ${devices.join(", ")}: in no definition, and gone when it stops: not in the snapshot`);
}

/**
 * Freezing is possible only where the guest runs and its agent answers. Throws "host" where it is required and is not.
 */
export async function chooseQuiesce(
  world: World,
  status: DomainStatus,
  wish: "try" | "require" | "off",
): Promise<boolean> {
  if (wish === "off" || status.live === null) return false;
  const running = status.state === "running";
  if (running && status.live.agentChannel && (await world.host.agentPing(status.uuid, AGENT_PING_MS))) return true;
  if (wish === "try") return false;
  throw new EstratoError(
    "host",
    `instance ${status.name}: ${running ? "its guest agent does not answer" : "it is paused"}, so its file systems cannot be quiesced`,
    {
      hint: "Install and start qemu-guest-agent in the guest, or use --quiesce try.",
    },
  );
}
