/** `snapshot create --volume`: one volume alone, attached to an instance (running or not) or to nothing. */
import { NO_FIRMWARE } from "../firmware.ts";
import { requireRoomInChain } from "../graph/limits.ts";
import { chain } from "../graph/references.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Snapshot, State, Volume } from "../model/state.ts";
import { requireName } from "../names.ts";
import { run } from "../operations/operation.ts";
import type { PlanView, Step } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";
import { refuseUnsafe, requireAgreement } from "../truth.ts";
import { volumeLabel, withVolume } from "../volumes/find.ts";
import { headOf, requireIdle } from "../volumes/requirements.ts";
import { findAttached } from "../volumes/take-in.ts";
import { type CreateSnapshotOptions, chooseQuiesce, leftOut, storedSnapshot } from "./create.ts";
import { createSnapshotKind } from "./create-recovery.ts";
import { type CreateData, createSnapshotSteps, record } from "./create-steps.ts";
import { asLargeAsItIs, createHead, freezeBelow, type HeadChange, newHead, requireUnshared } from "./heads.ts";
import { requireFreeSnapshotName, snapshotsOf } from "./names.ts";
import { requestedFields, volumeRecord } from "./record.ts";

export interface CreateVolumeSnapshotOptions
  extends Omit<CreateSnapshotOptions, "instance" | "excludeDisks" | "memory"> {
  readonly volume: string;
}

/**
 * Takes a snapshot of a volume. Afterwards its layer is frozen and the volume goes on in a new head; its instance's
 * other disks are untouched. Moves no data. Throws "not_found", "conflict", "host" or "integrity" before anything is
 * touched. A dry run returns the plan.
 */
export async function createVolumeSnapshot(
  world: World,
  options: CreateVolumeSnapshotOptions,
): Promise<Snapshot | PlanView> {
  if (options.name !== null) requireName("snapshot", options.name);
  return withVolume(world, options.volume, (locks, state, volume) =>
    createVolumeSnapshotLocked(world, locks, state, volume, options),
  );
}

/** The same, under locks that the caller holds (volumeLocks). */
export async function createVolumeSnapshotLocked(
  world: World,
  locks: HeldLocks,
  early: State,
  seen: Volume,
  options: CreateVolumeSnapshotOptions,
): Promise<Snapshot | PlanView> {
  const { state, volume, status } = await findAttached(world, locks, early, seen);
  const label = volumeLabel(state, volume);
  if (options.name !== null) requireFreeSnapshotName(state, { uuid: volume.id, name: label }, options.name);
  const head = await planHead(world, state, volume, status);
  const quiesce = status !== null && (await chooseQuiesce(world, status, options.quiesce));
  const snapshot = volumeRecord(volume, head, {
    ...requestedFields(world, state, volume.id, options),
    id: world.ids.next("snap"),
    parent: snapshotBelow(state, volume),
    uefi: volume.uefi || status?.inactive.firmware === true,
    consistency: status?.live == null ? "offline" : "crash", // raised once the guest has really been quiesced
  });
  const excluded = status === null ? [] : leftOut(status, [head]);
  const data: CreateData = { uuid: volume.instance ?? volume.id, snapshot, heads: [head], excluded };
  const steps =
    status === null
      ? stepsAtRest(world, state, data, head)
      : createSnapshotSteps(
          world,
          locks,
          { state, status, firmware: NO_FIRMWARE },
          data,
          quiesce,
          options.quiesce === "require",
        );
  const target = `${label}/${snapshot.name}`;
  const result = () => storedSnapshot(world, snapshot);
  return run(world, locks, { kind: createSnapshotKind, target, data, steps, result });
}

async function planHead(world: World, state: State, volume: Volume, status: DomainStatus | null): Promise<HeadChange> {
  const what = `volume ${volumeLabel(state, volume)}`;
  const headLayer = headOf(state, volume);
  let liveBytes: number | null = null;
  if (status === null) await requireIdle(world, state, volume);
  else {
    refuseUnsafe(status);
    const fact = (await requireAgreement(world, state, status)).find((one) => one.volume.id === volume.id);
    if (fact !== undefined) requireUnshared(fact, status.name);
    liveBytes = fact?.liveSizeBytes ?? null;
  }
  const { maxChain } = await world.host.capabilities();
  const note = requireRoomInChain(state, headLayer.id, maxChain, what);
  if (note !== null) world.report.note(note);
  await requireSpace(world, EMPTY_HEAD_BYTES, `snapshot of ${what}`);
  const before = await asLargeAsItIs(world, headLayer, liveBytes, what);
  return newHead(world, state, volume, before, before, before.sizeBytes);
}

/** Nobody runs on it: what was frozen last is what it holds. */
function stepsAtRest(world: World, state: State, data: CreateData, head: HeadChange): Step[] {
  return [
    { id: "make-new-head", title: "Make a new head", actions: [createHead(head)] },
    { id: "freeze-layer", title: "Freeze the layer", actions: freezeBelow(state, [head]) },
    { id: "record-snapshot", title: "Record the snapshot", run: () => record(world, data, data.snapshot.consistency) },
  ];
}

/** The volume's own snapshot that its head stands on, however far below. */
export function snapshotBelow(state: State, volume: Volume): string | null {
  const own = snapshotsOf(state, volume.id);
  for (const layer of chain(state, volume.head)) {
    const found = own.findLast((one) => one.disks.some((disk) => disk.layer === layer));
    if (found !== undefined) return found.id;
  }
  return null;
}
