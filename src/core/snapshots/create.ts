/** `snapshot create` of an instance: all its disks at one moment, on which new empty heads then stand. */
import { EstratoError } from "../../errors.ts";
import type { Action, DomainStatus } from "../../host/types.ts";
import type { JournalEntry, Snapshot, State } from "../../store/schema.ts";
import { exclusive } from "../exclusive.ts";
import { requireRoomInChain } from "../graph/limits.ts";
import { coveredDisks, planAdoption } from "../instances/adopt.ts";
import { findAgain, findInstance } from "../instances/find.ts";
import { isUnwritten } from "../layers/heads.ts";
import { requireName } from "../names.ts";
import { execute, type Outcome, type PlanView, perform, planView, type Step } from "../operation.ts";
import type { HeldLocks, World } from "../ports.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";
import { refuseUnsafe, requireAgreement } from "../truth.ts";
import { adoptHeads, createHead, definedDisks, freezeFile, type HeadChange, newHead } from "./heads.ts";
import { freeSnapshotName, requireFreeSnapshotName } from "./names.ts";

export interface CreateSnapshotOptions {
  readonly instance: string;
  readonly name: string | null; // null: made from the time
  readonly quiesce: "try" | "require" | "off";
  readonly excludeDisks: readonly string[];
  readonly description: string | null;
  readonly properties: Readonly<Record<string, string>>;
  readonly expiresAt: string | null;
  readonly protect: boolean;
}

interface CreateData {
  readonly uuid: string;
  readonly snapshot: Snapshot;
  readonly heads: readonly HeadChange[];
  readonly excluded: readonly string[];
}

const AGENT_PING_MS = 2_000;

/**
 * Takes a snapshot. Afterwards its layers are frozen, the instance runs on (or stays off) in new heads, and the record is stored.
 * Moves no data. Throws "conflict", "host", "integrity" or "not_found" before anything is touched.
 * A dry run returns the plan and changes nothing.
 */
export async function createSnapshot(world: World, options: CreateSnapshotOptions): Promise<Snapshot | PlanView> {
  if (options.name !== null) requireName("snapshot", options.name);
  const { status } = await findInstance(world, options.instance);
  return exclusive(world, [status.uuid], (locks) => createSnapshotLocked(world, locks, status.uuid, options));
}

/** The same, under a lock that the caller holds. */
export async function createSnapshotLocked(
  world: World,
  locks: HeldLocks,
  uuid: string,
  options: CreateSnapshotOptions,
): Promise<Snapshot | PlanView> {
  const { status } = await findAgain(world, uuid);
  refuseUnsafe(status);
  requireKnownDevices(status, options.excludeDisks);
  if (options.name !== null) requireFreeSnapshotName(await world.store.read(), status, options.name);
  const adoption = await planAdoption(world, status, options.excludeDisks);
  const { state } = adoption;
  const heads = await planHeads(world, state, status, options.excludeDisks);
  const quiesce = await chooseQuiesce(world, status, options.quiesce);
  const snapshot = newRecord(world, state, status, heads, options);
  const data: CreateData = { uuid, snapshot, heads, excluded: leftOut(status, heads) };
  const steps = planSteps(world, locks, status, data, quiesce, options.quiesce === "require");
  if (world.dryRun) return planView(world, steps, []);
  await adoption.store(); // not before all that can refuse has been asked
  await execute(
    world,
    locks,
    { kind: "snapshot.create", target: `${status.name}/${snapshot.name}`, data, steps },
    recoverCreate,
  );
  const stored = (await world.store.read()).snapshots[snapshot.id];
  if (stored === undefined) throw new EstratoError("integrity", `snapshot ${snapshot.name}: it was not recorded`);
  return stored;
}

function requireKnownDevices(status: DomainStatus, devices: readonly string[]): void {
  for (const device of devices) {
    if (status.inactive.disks.some((disk) => disk.device === device)) continue;
    throw new EstratoError("usage", `instance ${status.name}: it has no disk ${device}`, {
      hint: `Its disks: ${status.inactive.disks.map((disk) => disk.device).join(", ")}.`,
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
  const { maxChain } = await world.host.capabilities();
  const heads: HeadChange[] = [];
  for (const fact of facts) {
    if (excluded.includes(fact.device)) continue;
    const before = state.layers[fact.volume.head];
    if (before === undefined)
      throw new EstratoError("integrity", `volume ${fact.volume.id}: its head ${fact.volume.head} is not recorded`);
    const note = requireRoomInChain(state, before.id, maxChain, `instance ${status.name}: disk ${fact.device}`);
    if (note !== null) world.report.note(note);
    const info = await world.host.imageInfo(before.file, { shared: true, format: before.format });
    if (info === null) throw new EstratoError("integrity", `instance ${status.name}: ${before.file} is not there`);
    const sizeBytes = Math.max(before.sizeBytes, info.virtualSizeBytes, fact.liveSizeBytes ?? 0);
    heads.push(newHead(world, fact.volume, { ...before, sizeBytes }, { ...before, sizeBytes }, sizeBytes));
  }
  if (heads.length === 0) {
    throw new EstratoError("conflict", `instance ${status.name}: there is no disk to take a snapshot of`);
  }
  await requireSpace(world, heads.length * EMPTY_HEAD_BYTES, `snapshot of ${status.name}`);
  return heads;
}

/** Every other disk must be named as left out, or libvirt would make an overlay of its own for it. */
function leftOut(status: DomainStatus, heads: readonly HeadChange[]): string[] {
  const taken = new Set(heads.map((head) => head.device));
  return status.inactive.disks.map((disk) => disk.device).filter((device) => !taken.has(device));
}

/** Freezing is possible only where the guest runs and its agent answers. Throws "host" where it is required and is not. */
async function chooseQuiesce(world: World, status: DomainStatus, wish: "try" | "require" | "off"): Promise<boolean> {
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

function newRecord(
  world: World,
  state: State,
  status: DomainStatus,
  heads: readonly HeadChange[],
  options: CreateSnapshotOptions,
): Snapshot {
  const id = world.ids.next("snap");
  const instance = state.instances[status.uuid];
  const now = world.clock.now();
  return {
    id,
    name: options.name ?? freeSnapshotName(state, status.uuid, now),
    type: "instance",
    instance: status.uuid,
    volume: null,
    parent: instance?.current ?? null,
    automatic: false,
    disks: heads.map((head) => ({
      volume: head.volume,
      device: head.device,
      layer: head.before.id,
      sizeBytes: head.before.sizeBytes,
    })),
    excluded: coveredDisks(status)
      .map((disk) => disk.device)
      .filter((device) => options.excludeDisks.includes(device)),
    consistency: status.live === null ? "offline" : "crash", // raised once the guest has really been quiesced
    memory: null,
    definition: `${id}.xml`,
    nvram: status.inactive.nvram === null ? null : `${id}.fd`,
    vcpus: status.inactive.vcpus,
    ramBytes: status.inactive.ramBytes,
    flavor: instance?.flavor ?? null,
    owner: world.user,
    createdAt: now.toISOString(),
    expiresAt: options.expiresAt,
    protected: options.protect,
    description: options.description,
    properties: { ...options.properties },
  };
}

function planSteps(
  world: World,
  locks: HeldLocks,
  status: DomainStatus,
  data: CreateData,
  quiesce: boolean,
  required: boolean,
): Step[] {
  const { snapshot, heads, uuid } = data;
  const steps: Step[] = [
    {
      title: "Keep the definition",
      run: () => world.store.writeRecord(`${snapshot.id}.xml`, definitionByVolume(world, status.inactive.xml, heads)),
    },
    { title: "Make new heads", actions: heads.map(createHead) },
  ];
  if (snapshot.nvram !== null && status.inactive.nvram !== null) {
    const to = world.store.paths.nvram(snapshot.nvram);
    steps.push({
      title: "Copy the NVRAM",
      actions: [{ do: "copy-file", from: status.inactive.nvram, to, mode: 0o400 }],
    });
  }
  // Before the switch: where libvirtd dies in it and the guest stops, nobody can start it on what it had before (LIBVIRT.md, trap 12).
  // QEMU goes on writing what it has open, and lets go of it in the switch (measured on both generations).
  steps.push({ title: "Freeze the layers", actions: heads.map((head) => freezeFile(head.before)) });
  let reached = false;
  if (status.live !== null) {
    const trying = quiesce && !required;
    const action = switchDisks(uuid, data, quiesce);
    const tryIt = async () => {
      reached = await switchQuiescedOrNot(world, locks, uuid, data);
    };
    steps.push({ title: "Switch the disks", ...(trying ? { shown: [action], run: tryIt } : { actions: [action] }) });
    if (required) reached = quiesce;
    steps.push({ title: "Compare QEMU, libvirt and the plan", run: () => requireSwitched(world, data) });
  }
  steps.push(
    { title: "Define the new heads", actions: [{ do: "redefine", domain: uuid, disks: definedDisks(heads, "after") }] },
    { title: "Record the snapshot", run: () => record(world, data, reached ? "filesystem" : snapshot.consistency) },
  );
  return steps;
}

function switchDisks(uuid: string, data: CreateData, quiesce: boolean): Action {
  return {
    do: "switch-disks",
    domain: uuid,
    disks: data.heads.map((head) => ({ device: head.device, path: head.after.file })),
    excluded: data.excluded,
    quiesce,
  };
}

/** With `--quiesce try`, a guest that cannot be frozen gets a crash-consistent snapshot. True where it was frozen. */
async function switchQuiescedOrNot(world: World, locks: HeldLocks, uuid: string, data: CreateData): Promise<boolean> {
  try {
    await perform(world, locks, [switchDisks(uuid, data, true)]);
    return true;
  } catch (error) {
    await perform(world, locks, [{ do: "thaw", domain: uuid }]);
    if ((await switched(world, data)) === "yes") return true;
    world.report.note(
      `${data.snapshot.name}: the file systems could not be quiesced (${error instanceof Error ? error.message : String(error)})`,
    );
    await perform(world, locks, [switchDisks(uuid, data, false)]);
    return false;
  }
}

/** The definition with each disk's file replaced by its volume's id: paths change, volumes don't. */
export function definitionByVolume(world: World, xml: string, heads: readonly HeadChange[]): string {
  const disks = Object.fromEntries(
    heads.map((head) => [head.device, { path: `/${head.volume}`, format: head.after.format }]),
  );
  return world.host.editDefinition(xml, { disks, dropBackingStore: true });
}

/** Does QEMU write to the new heads? It switches all disks in one transaction, so "some" is a disagreement. */
async function switched(world: World, data: CreateData): Promise<"yes" | "no" | "some" | "off"> {
  const status = await world.host.domainStatus(data.uuid);
  if (status === null || status.live === null) return "off";
  const disks = await world.host.qemuDisks(data.uuid);
  const tops = data.heads.map(
    (head) => disks.find((disk) => disk.device === head.device)?.chain[0] === head.after.file,
  );
  if (tops.every(Boolean)) return "yes";
  return tops.some(Boolean) ? "some" : "no";
}

async function requireSwitched(world: World, data: CreateData): Promise<void> {
  const status = await world.host.domainStatus(data.uuid);
  if (status?.live == null) return; // it stopped meanwhile: the next step defines the new heads
  const disks = await world.host.qemuDisks(data.uuid);
  for (const head of data.heads) {
    const disk = disks.find((one) => one.device === head.device);
    const live = status.live.disks.find((one) => one.device === head.device)?.source;
    if (disk?.chain[0] === head.after.file && disk.chain[1] === head.before.file && live === head.after.file) continue;
    throw new EstratoError(
      "integrity",
      `instance ${status.name}: ${head.device} was switched to ${disk?.chain[0] ?? "nothing"}, planned was ${head.after.file}`,
      {
        hint: 'Run "estrato doctor".',
      },
    );
  }
}

/** Idempotent: the graph and the snapshot in one transaction. */
async function record(world: World, data: CreateData, consistency: Snapshot["consistency"]): Promise<void> {
  await world.store.update((draft) => {
    adoptHeads(draft, data.heads);
    draft.snapshots[data.snapshot.id] = { ...data.snapshot, consistency };
    const instance = draft.instances[data.uuid];
    if (instance !== undefined) instance.current = data.snapshot.id;
  });
}

/**
 * A snapshot that never ended. Forward where the guest writes (or wrote, or is defined to write) to a new head: its bytes are there.
 * Back otherwise: thaw, and unlink the heads once nobody holds them.
 */
export async function recoverCreate(world: World, locks: HeldLocks, entry: JournalEntry): Promise<Outcome> {
  const data = entry.data as CreateData;
  const status = await world.host.domainStatus(data.uuid);
  if (status !== null && status.live !== null) await world.host.perform({ do: "thaw", domain: data.uuid });
  if (await newHeadsInUse(world, data, status)) {
    await perform(world, locks, [
      ...data.heads.map((head) => freezeFile(head.before)),
      { do: "redefine", domain: data.uuid, disks: definedDisks(data.heads, "after") },
    ]);
    await record(world, data, data.snapshot.consistency);
    return "forward";
  }
  if ((await world.store.read()).snapshots[data.snapshot.id] !== undefined) return "forward";
  await undo(world, locks, data);
  return "back";
}

/** The truth, in DESIGN's order: QEMU, then what was written, then the definition. */
async function newHeadsInUse(world: World, data: CreateData, status: DomainStatus | null): Promise<boolean> {
  if (status === null) return false;
  if (status.live !== null) {
    const answer = await switched(world, data);
    if (answer === "some") {
      throw new EstratoError("integrity", `instance ${status.name}: QEMU switched only some of its disks`, {
        hint: 'Run "estrato doctor".',
      });
    }
    if (answer !== "off") return answer === "yes";
  }
  for (const head of data.heads) {
    // libvirtd may have died between QEMU's switch and its own note, and the guest may have stopped since (LIBVIRT.md, trap 12).
    if (
      (await world.host.fileInfo(head.after.file)) !== null &&
      (await world.host.ownExtents(head.after.file, "qcow2")).length > 0
    )
      return true;
    if (status.inactive.disks.find((disk) => disk.device === head.device)?.source === head.after.file) return true;
  }
  return false;
}

async function undo(world: World, locks: HeldLocks, data: CreateData): Promise<void> {
  const files: string[] = [];
  for (const { after } of data.heads) {
    await requireUnheld(world, after.file);
    if (await isUnwritten(world, after)) files.push(after.file);
    else {
      // libvirtd died before it noted the switch, and the guest was started again on what it had before (LIBVIRT.md, trap 12).
      world.report.note(
        `${data.snapshot.name}: undone, but ${after.file} holds what the guest wrote before it was started again: kept for "estrato doctor"`,
      );
    }
  }
  files.push(world.store.paths.record(`${data.snapshot.id}.xml`));
  if (data.snapshot.nvram !== null) files.push(world.store.paths.nvram(data.snapshot.nvram));
  const actions: Action[] = files.map((path) => ({ do: "unlink", path }));
  // A step that froze the old head may have been the last one done.
  for (const head of data.heads) {
    actions.push({ do: "set-mode", path: head.before.file, mode: head.before.foreign?.mode ?? 0o600 });
  }
  await perform(world, locks, actions);
}

/** No head is unlinked before qemu-img has opened it, without -U, twice: nobody holds it (DESIGN section 3). Throws "conflict". */
export async function requireUnheld(world: World, path: string): Promise<void> {
  for (let look = 0; look < 2; look += 1) {
    await world.host.imageInfo(path, { shared: false, format: "qcow2" });
  }
}
