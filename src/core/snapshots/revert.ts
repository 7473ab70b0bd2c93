/**
 * `snapshot revert` and `unrevert`: an instance goes on from what a snapshot holds, in new empty heads; what it had is
 * kept.
 */

import { EstratoError } from "../../errors.ts";
import { type Adoption, attachedByOthers, planAdoption } from "../instances/adopt.ts";
import { findInstance } from "../instances/find.ts";
import { freedByDropping } from "../layers/freed.ts";
import { seenUnmerged } from "../layers/heads.ts";
import type { DomainStatus } from "../model/host.ts";
import type { State } from "../model/state.ts";
import { notFound } from "../names.ts";
import { type Following, run } from "../operations/operation.ts";
import type { PlanView } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, Kind, World } from "../ports.ts";
import { refuseUnsafe, requireAgreement } from "../truth.ts";
import { findToChange } from "../volumes/take-in.ts";
import { findSnapshot, snapshotLabel } from "./find.ts";
import { snapshotGoal } from "./goal.ts";
import { deedOf, planRevert, type RevertData, type Reverted, type RevertOptions } from "./revert-plan.ts";
import { revertKind } from "./revert-recovery.ts";
import { recordRevert, revertSteps } from "./revert-steps.ts";

export type { Reverted, RevertOptions } from "./revert-plan.ts";

/**
 * The instance's disks, NVRAM and TPM become what the snapshot holds; running before, running after. A snapshot with
 * memory resumes, whether it ran before or not. What was in memory is gone. What the disks held is kept as an automatic
 * snapshot, unless `discard`. Throws before anything is touched, or leaves it as it was.
 */
export async function revertSnapshot(
  world: World,
  target: string,
  options: RevertOptions,
): Promise<Reverted | PlanView> {
  const snapshot = findSnapshot(await world.store.read(), target, "revert");
  if (snapshot.instance === null) {
    const { revertVolume } = await import("./revert-volume.ts");
    return revertVolume(world, snapshot.id, options);
  }
  return withLocks(world, [snapshot.instance], (locks) => revertLocked(world, locks, snapshot.id, null, options));
}

/** Undoes the last revert, and itself. Throws "conflict" where there is nothing (left) to go back to. */
export async function unrevertSnapshot(
  world: World,
  instance: string,
  options: RevertOptions,
): Promise<Reverted | PlanView> {
  const { status } = await findInstance(world, instance);
  return withLocks(world, [status.uuid], async (locks) => {
    const state = await world.store.read();
    const id = state.instances[status.uuid]?.undo ?? null;
    const kept = id === null ? undefined : state.snapshots[id];
    const expired = kept?.expiresAt != null && !kept.protected && kept.expiresAt <= world.clock.now().toISOString();
    if (kept === undefined || expired) {
      throw new EstratoError(
        "conflict",
        `instance ${status.name}: ${expired ? "what the last revert kept has expired" : "there is no revert to undo"}`,
        {
          hint: 'See "estrato snapshot list" for what can be reverted to.',
        },
      );
    }
    // A protected one stays: who has protected it wants it beyond this.
    return revertLocked(world, locks, kept.id, kept.protected ? null : kept.id, options);
  });
}

/** The same, under a lock that the caller holds. `usedUp`: the automatic snapshot that an unrevert goes back to. */
export async function revertLocked(
  world: World,
  locks: HeldLocks,
  snapshotId: string,
  usedUp: string | null,
  options: RevertOptions,
): Promise<Reverted | PlanView> {
  const before = await world.store.read();
  const snapshot = before.snapshots[snapshotId];
  const uuid = snapshot?.instance ?? null;
  if (snapshot === undefined || uuid === null) throw notFound("snapshot", snapshotId);
  const look = async () => {
    const found = await findToChange(world, locks, uuid, { also: "qemu" });
    refuseUnsafe(found.status);
    return found;
  };
  const seen = await look();
  const layers = snapshot.disks.map(({ layer }) => layer);
  const { status } = await seenUnmerged(world, layers, `instance ${seen.status.name}`, seen, look);
  const adoption = await planAdoption(world, status, attachedByOthers(before, status));
  const { state } = adoption;
  const facts = await requireAgreement(world, state, status);
  const goal = await snapshotGoal(world, state, status, snapshot, usedUp);
  const data = await planRevert(world, state, status, facts, goal, options);
  const label = snapshotLabel(state, snapshot);
  return goOnFrom(world, locks, { kind: revertKind, label, status, adoption, data, state }, async () => ({
    instance: status.name,
    volume: null,
    snapshot: label,
    kept: data.kept,
  }));
}

/** A revert, or a rebuild, that is planned. */
export interface PlannedRevert {
  readonly kind: Kind<RevertData>;
  /** For the log of operations. */
  readonly label: string;
  readonly status: DomainStatus;
  readonly adoption: Adoption;
  readonly data: RevertData;
  /** In which what it stands on is known. */
  readonly state: State;
}

/** Carries it out, under the lock of its instance. */
export async function goOnFrom<Result>(
  world: World,
  locks: HeldLocks,
  { kind, label, status, adoption, data, state }: PlannedRevert,
  result: () => Promise<Result>,
): Promise<Result | PlanView> {
  return run(world, locks, {
    kind,
    target: label,
    data,
    steps: revertSteps(world, locks, data),
    notes: data.was === "off" ? [] : ["What is in the guest's memory will be lost."],
    follows: () => collectedAfter(world, state, data),
    begin: async () => {
      world.host.prepare(locks.fds); // while the journal and the new heads are written
      if (status.inactive.tpm !== null && data.tpm === null && data.memory == null)
        world.report.note(`${status.name}: its TPM stays as it is: ${NO_TPM_KEPT[deedOf(data)]}`);
      await adoption.store(locks);
    },
    result: async () => {
      if (data.was !== "off") world.report.note(lostMemory(data));
      return result();
    },
  });
}

const NO_TPM_KEPT = {
  revert: "it had kept nothing yet when the snapshot was taken",
  rebuild: "its image brings none",
};

/** What is collected once the guest goes on in its new heads, running or not. */
async function collectedAfter(world: World, state: State, data: RevertData): Promise<Following> {
  const { uuid, heads, was, memory } = data;
  const isOff = was === "off" && !memory;
  const then = new Map(isOff ? [] : heads.map(({ device, after }) => [device, after.id]));
  const moved = { instance: uuid, heads: then };
  return { ...(await freedByDropping(world, state, (draft) => recordRevert(draft, data), moved)), bytes: null };
}

/** No automatic snapshot keeps memory: saving it would make every revert as slow as a snapshot with memory. */
function lostMemory({ instanceName, kept }: RevertData): string {
  const lost = `${instanceName}: what its memory held is lost`;
  return kept === null ? lost : `${lost}; what its disks held is kept as ${kept.name}`;
}
