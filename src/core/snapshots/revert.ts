/** `snapshot revert` and `unrevert`: an instance goes on from what a snapshot holds, in new empty heads; what it had is kept. */
import { EstratoError } from "../../errors.ts";
import type { Action, DomainStatus } from "../../host/types.ts";
import type { JournalEntry, Snapshot, State } from "../../store/schema.ts";
import { exclusive } from "../exclusive.ts";
import { planAdoption, volumesOf } from "../instances/adopt.ts";
import { findAgain, findInstance } from "../instances/find.ts";
import { execute, type Outcome, type PlanView, perform, planView, type Step } from "../operation.ts";
import type { HeldLocks, World } from "../ports.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";
import { refuseUnsafe, requireAgreement } from "../truth.ts";
import { definitionByVolume, requireUnheld } from "./create.ts";
import { dropSnapshots, unlinkRecords } from "./drop.ts";
import { findSnapshot, snapshotLabel } from "./find.ts";
import { adoptHeads, createHead, freezeFile, type HeadChange, newHead, thawFile } from "./heads.ts";
import { freeSnapshotName } from "./names.ts";

export interface RevertOptions {
  /** Keep no automatic snapshot of what the disks hold now. */
  readonly discard: boolean;
  /** How long the automatic snapshot is kept, in ms. */
  readonly keepMs: number;
}

export interface Reverted {
  readonly instance: string;
  readonly snapshot: string;
  /** The automatic snapshot that `unrevert` goes back to; null with `discard`. */
  readonly kept: Snapshot | null;
}

interface RevertData {
  readonly uuid: string;
  readonly instanceName: string;
  readonly target: string;
  /** The snapshot that becomes `current`. */
  readonly current: string | null;
  readonly kept: Snapshot | null;
  /** The automatic snapshot that an unrevert uses up. */
  readonly usedUp: string | null;
  readonly heads: readonly HeadChange[];
  readonly nvram: {
    readonly from: string;
    readonly to: string;
    readonly keep: { readonly from: string; readonly to: string } | null;
    /** The copy that an earlier revert made, which goes; null where the file is not ours. */
    readonly previous: string | null;
  } | null;
  readonly xmlBefore: string;
  readonly xmlAfter: string;
  readonly was: "running" | "paused" | "off";
  readonly undoBefore: string | null;
  readonly currentBefore: string | null;
}

/**
 * The instance's disks and NVRAM become what the snapshot holds; running before, running after. What was in memory is gone.
 * What the disks held is kept as an automatic snapshot, unless `discard`. Throws before anything is touched, or leaves it as it was.
 */
export async function revertSnapshot(
  world: World,
  target: string,
  options: RevertOptions,
): Promise<Reverted | PlanView> {
  const snapshot = findSnapshot(await world.store.read(), target);
  if (snapshot.instance === null) {
    throw new EstratoError("conflict", `snapshot ${target}: it is a volume's`, {
      hint: "Name an instance's snapshot.",
    });
  }
  return exclusive(world, [snapshot.instance], (locks) => revertLocked(world, locks, snapshot.id, null, options));
}

/** Undoes the last revert, and itself. Throws "conflict" where there is nothing (left) to go back to. */
export async function unrevertSnapshot(
  world: World,
  instance: string,
  options: RevertOptions,
): Promise<Reverted | PlanView> {
  const { status } = await findInstance(world, instance);
  return exclusive(world, [status.uuid], async (locks) => {
    const state = await world.store.read();
    const id = state.instances[status.uuid]?.undo ?? null;
    const kept = id === null ? undefined : state.snapshots[id];
    const expired = kept?.expiresAt != null && kept.expiresAt <= world.clock.now().toISOString();
    if (kept === undefined || expired) {
      throw new EstratoError(
        "conflict",
        `instance ${status.name}: ${expired ? "what the last revert kept has expired" : "there is no revert to undo"}`,
        {
          hint: 'See "estrato snapshot list" for what can be reverted to.',
        },
      );
    }
    return revertLocked(world, locks, kept.id, kept.id, options);
  });
}

async function revertLocked(
  world: World,
  locks: HeldLocks,
  snapshotId: string,
  usedUp: string | null,
  options: RevertOptions,
): Promise<Reverted | PlanView> {
  const before = await world.store.read();
  const snapshot = before.snapshots[snapshotId];
  if (snapshot?.instance == null) throw new EstratoError("not_found", `snapshot ${snapshotId}: not found`);
  const { status } = await findAgain(world, snapshot.instance);
  refuseUnsafe(status);
  const adoption = await planAdoption(world, status, snapshot.excluded);
  const { state } = adoption;
  const data = await planRevert(world, state, status, snapshot, usedUp, options);
  const steps = planSteps(world, locks, data);
  if (world.dryRun)
    return planView(world, steps, data.was === "off" ? [] : ["What is in the guest's memory will be lost."]);
  await adoption.store();
  await execute(
    world,
    locks,
    { kind: "snapshot.revert", target: snapshotLabel(state, snapshot), data, steps },
    recoverRevert,
  );
  return { instance: status.name, snapshot: snapshotLabel(state, snapshot), kept: data.kept };
}

async function planRevert(
  world: World,
  state: State,
  status: DomainStatus,
  snapshot: Snapshot,
  usedUp: string | null,
  options: RevertOptions,
): Promise<RevertData> {
  const facts = await requireAgreement(world, state, status);
  const volumes = volumesOf(state, status.uuid);
  const instance = state.instances[status.uuid];
  const heads: HeadChange[] = [];
  for (const disk of snapshot.disks) {
    const volume = [...volumes.values()].find((one) => one.id === disk.volume);
    const layer = state.layers[disk.layer];
    const before = state.layers[volume?.head ?? ""];
    if (volume === undefined || before === undefined) {
      throw new EstratoError(
        "conflict",
        `snapshot ${snapshotLabel(state, snapshot)}: its volume ${disk.volume} (${disk.device}) is not attached to ${status.name}`,
        {
          hint: "Attach it again first, or make an image or a volume from the snapshot.",
        },
      );
    }
    if (layer === undefined)
      throw new EstratoError(
        "integrity",
        `snapshot ${snapshotLabel(state, snapshot)}: its layer ${disk.layer} is not recorded`,
      );
    const fact = facts.find((one) => one.volume.id === volume.id);
    const sizeBytes = Math.max(before.sizeBytes, fact?.liveSizeBytes ?? 0);
    // A revert takes the disk's size of the snapshot; what is kept has the size it has now.
    heads.push(
      newHead(
        world,
        { ...volume, device: volume.device ?? disk.device },
        { ...before, sizeBytes },
        layer,
        layer.sizeBytes,
      ),
    );
  }
  await requireSpace(world, heads.length * EMPTY_HEAD_BYTES, `revert of ${status.name}`);
  const kept = options.discard ? null : automaticSnapshot(world, state, status, heads, options.keepMs);
  const nvram = planNvram(world, status, snapshot, heads, kept);
  const disks = (which: "before" | "after") =>
    Object.fromEntries(heads.map((head) => [head.device, { path: head[which].file, format: head[which].format }]));
  return {
    uuid: status.uuid,
    instanceName: status.name,
    target: snapshot.id,
    current: usedUp === null ? snapshot.id : (snapshot.parent ?? null),
    kept,
    usedUp,
    heads,
    nvram,
    xmlBefore: world.host.editDefinition(status.inactive.xml, { disks: disks("before"), dropBackingStore: true }),
    xmlAfter: world.host.editDefinition(status.inactive.xml, {
      disks: disks("after"),
      dropBackingStore: true,
      newGenerationId: true,
      ...(nvram === null ? {} : { nvram: nvram.to }),
    }),
    was: status.live === null ? "off" : status.state === "paused" ? "paused" : "running",
    undoBefore: instance?.undo ?? null,
    currentBefore: instance?.current ?? null,
  };
}

/** A new name for each copy, so that one define switches disks and NVRAM together. */
function planNvram(
  world: World,
  status: DomainStatus,
  snapshot: Snapshot,
  heads: readonly HeadChange[],
  kept: Snapshot | null,
): RevertData["nvram"] {
  const first = heads[0];
  if (snapshot.nvram === null || first === undefined) return null;
  const current = status.inactive.nvram;
  return {
    from: world.store.paths.nvram(snapshot.nvram),
    to: first.after.file.replace(/\.qcow2$/, ".fd"),
    keep: kept?.nvram == null || current === null ? null : { from: current, to: world.store.paths.nvram(kept.nvram) },
    previous: current?.startsWith(`${world.store.paths.layersFolder}/`) ? current : null,
  };
}

function automaticSnapshot(
  world: World,
  state: State,
  status: DomainStatus,
  heads: readonly HeadChange[],
  keepMs: number,
): Snapshot {
  const instance = state.instances[status.uuid];
  const now = world.clock.now();
  const id = world.ids.next("snap");
  return {
    id,
    name: freeSnapshotName(state, status.uuid, now, "before-revert-"),
    type: "instance",
    instance: status.uuid,
    volume: null,
    parent: instance?.current ?? null,
    automatic: true,
    disks: heads.map((head) => ({
      volume: head.volume,
      device: head.device,
      layer: head.before.id,
      sizeBytes: head.before.sizeBytes,
    })),
    excluded: [],
    consistency: status.live === null ? "offline" : "crash",
    memory: null,
    definition: `${id}.xml`,
    nvram: status.inactive.nvram === null ? null : `${id}.fd`,
    vcpus: status.inactive.vcpus,
    ramBytes: status.inactive.ramBytes,
    flavor: instance?.flavor ?? null,
    owner: world.user,
    createdAt: now.toISOString(),
    expiresAt: new Date(now.getTime() + keepMs).toISOString(),
    protected: false,
    description: "what the disks held before a revert",
    properties: {},
  };
}

const START = "Start the guest";

function planSteps(world: World, locks: HeldLocks, data: RevertData): Step[] {
  const { heads, kept, nvram } = data;
  const steps: Step[] = [];
  if (kept !== null) {
    steps.push({
      title: "Keep the definition",
      run: () => world.store.writeRecord(`${kept.id}.xml`, definitionByVolume(world, data.xmlBefore, heads)),
    });
  }
  steps.push({ title: "Make new heads", actions: heads.map(createHead) });
  if (nvram !== null) {
    const actions: Action[] = [{ do: "copy-file", from: nvram.from, to: nvram.to, mode: 0o600 }];
    if (nvram.keep !== null) actions.push({ do: "copy-file", ...nvram.keep, mode: 0o400 });
    steps.push({ title: "Copy the NVRAM", actions });
  }
  steps.push(
    { title: "Keep what the disks hold", run: () => keepBefore(world, data) },
    { title: "Define the new heads", actions: [{ do: "define", xml: data.xmlAfter }] },
  );
  return [...steps, ...afterDefining(world, locks, data)];
}

/** From the point of no return on: a guest that is started now starts on the new heads. Each step can be repeated. */
function afterDefining(world: World, locks: HeldLocks, data: RevertData): Step[] {
  const { uuid, heads } = data;
  const steps: Step[] = [];
  if (data.was !== "off") steps.push({ title: "Stop the guest", actions: [{ do: "destroy", domain: uuid }] });
  steps.push(
    { title: "Freeze what it had", actions: heads.map((head) => freezeFile(head.before)) },
    { title: "Record the revert", run: () => record(world, locks, data) },
  );
  if (data.nvram?.previous != null)
    steps.push({ title: "Remove the NVRAM it had", actions: [{ do: "unlink", path: data.nvram.previous }] });
  if (data.was !== "off")
    steps.push({ title: START, actions: [{ do: "start", domain: uuid, paused: data.was === "paused" }] });
  return steps;
}

/** The automatic snapshot is stored before the guest loses anything (invariant 4). Idempotent. */
async function keepBefore(world: World, data: RevertData): Promise<void> {
  const { kept } = data;
  if (kept === null) return;
  await world.store.update((draft) => {
    draft.snapshots[kept.id] = kept;
  });
}

/** Idempotent: the graph, `current`, and what can be undone, in one transaction. */
async function record(world: World, locks: HeldLocks, data: RevertData): Promise<void> {
  await world.store.update((draft) => {
    adoptHeads(draft, data.heads);
    const instance = draft.instances[data.uuid];
    if (instance !== undefined) {
      instance.current = data.current;
      instance.undo = data.kept?.id ?? null;
    }
    if (data.kept !== null) draft.snapshots[data.kept.id] = data.kept;
    if (data.usedUp !== null) dropSnapshots(draft, [data.usedUp]);
  });
  if (data.usedUp !== null) await perform(world, locks, unlinkRecords(world, [data.usedUp]));
}

/**
 * A revert that never ended. Back where the guest still runs on what it had, or is off and defined as before; forward otherwise.
 * Forward begins behind the definition, which comes after all that is copied and made: the guest may have been started since, and
 * what it has written to its new heads and NVRAM is not to be made again.
 */
export async function recoverRevert(world: World, locks: HeldLocks, entry: JournalEntry): Promise<Outcome> {
  const data = entry.data as RevertData;
  const status = await world.host.domainStatus(data.uuid);
  if (status === null)
    throw new EstratoError(
      "integrity",
      `instance ${data.instanceName}: libvirt has lost its domain while it was being reverted`,
      { hint: 'Run "estrato doctor".' },
    );
  const recorded = (await world.store.read()).volumes[data.heads[0]?.volume ?? ""]?.head === data.heads[0]?.after.id;
  if (!recorded && (await backIsRight(world, data, status))) {
    await undo(world, locks, data);
    return "back";
  }
  const runs = status.live !== null;
  for (const step of afterDefining(world, locks, data)) {
    // The guest that runs now runs on the new heads already.
    const actions = (step.actions ?? []).filter((action) => !(runs && action.do === "destroy"));
    if (step.title === START) await startOrSay(world, locks, data, actions);
    else await perform(world, locks, actions);
    await step.run?.();
  }
  return "forward";
}

/** The disks are reverted and recorded by now: a guest that does not start is the operator's to look at, not ours to undo. */
async function startOrSay(world: World, locks: HeldLocks, data: RevertData, actions: readonly Action[]): Promise<void> {
  try {
    await perform(world, locks, actions);
  } catch (error) {
    world.report.note(
      `${data.instanceName}: its disks are reverted, but it does not start: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** The guest still writes to what it had, or is off and defined as before. */
async function backIsRight(world: World, data: RevertData, status: DomainStatus): Promise<boolean> {
  const first = data.heads[0];
  if (first === undefined) return true;
  if (status.live !== null) {
    const disks = await world.host.qemuDisks(data.uuid);
    return disks.find((disk) => disk.device === first.device)?.chain[0] === first.before.file;
  }
  // We define before we stop the guest: a guest that is off and still defined as before was not stopped by us.
  return status.inactive.disks.find((disk) => disk.device === first.device)?.source === first.before.file;
}

async function undo(world: World, locks: HeldLocks, data: RevertData): Promise<void> {
  await perform(world, locks, [{ do: "define", xml: data.xmlBefore }]);
  for (const head of data.heads) await requireUnheld(world, head.after.file);
  const { kept } = data;
  if (kept !== null) await world.store.update((draft) => dropSnapshots(draft, [kept.id]));
  const files = data.heads.map((head) => head.after.file);
  if (data.nvram !== null) files.push(data.nvram.to, ...(data.nvram.keep === null ? [] : [data.nvram.keep.to]));
  if (data.kept !== null) files.push(world.store.paths.record(`${data.kept.id}.xml`));
  await perform(world, locks, [
    ...files.map((path): Action => ({ do: "unlink", path })),
    ...data.heads.map((head) => thawFile(head.before)),
  ]);
}
