/**
 * `snapshot revert` of one volume, at rest: it goes on from what its snapshot holds, in a new empty head; what it had
 * is kept.
 */

import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { filesUnder } from "../files-under.ts";
import { isUnwritten, seenUnmerged, whenUnmerged } from "../layers/heads.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Snapshot, State, Volume } from "../model/state.ts";
import { recordSchemas } from "../model/state.ts";
import { freezeFile, modeOf } from "../modes.ts";
import { notFound } from "../names.ts";
import { run } from "../operations/operation.ts";
import { type PlanView, perform, repeat, type Step } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";
import { refuseUnsafe, requireAgreement } from "../truth.ts";
import { volumeLabel, withVolume } from "../volumes/find.ts";
import { headOf, requireIdle } from "../volumes/requirements.ts";
import { findAttached } from "../volumes/take-in.ts";
import { snapshotBelow } from "./create-volume.ts";
import { dropSnapshots } from "./drop.ts";
import { snapshotLabel } from "./find.ts";
import {
  adoptHeads,
  asLargeAsSeen,
  createHead,
  definedDisks,
  type HeadChange,
  headChangeSchema,
  newHead,
  requireUnmoved,
  requireUnshared,
} from "./heads.ts";
import { keptBefore, volumeRecord } from "./record.ts";
import type { Reverted, RevertOptions } from "./revert-plan.ts";
import { requireUnheld } from "./unheld.ts";

interface RevertVolumeData {
  readonly uuid: string | null; // of the instance it is attached to, which is off
  readonly head: HeadChange;
  readonly kept: Snapshot | null;
}

export const revertVolumeKind: Kind<RevertVolumeData> = {
  name: "snapshot.revert-volume",
  forQemu: () => true,
  version: 2,
  older: { 1: (data) => data }, // no head was recorded before it was made
  data: v.object({
    uuid: v.nullable(v.string()),
    head: headChangeSchema,
    kept: v.nullable(recordSchemas.snapshot),
  }),
  recover: recoverVolumeRevert,
};

/**
 * The volume becomes what its snapshot holds. What it held is kept as an automatic snapshot of it, unless `discard`.
 * Throws "conflict" where its instance runs, or the volume is gone; "integrity", "host". Nothing is touched then.
 */
export async function revertVolume(
  world: World,
  snapshotId: string,
  options: RevertOptions,
): Promise<Reverted | PlanView> {
  const early = await world.store.read();
  const target = early.snapshots[snapshotId];
  if (target === undefined) throw notFound("snapshot", snapshotId);
  if (early.volumes[target.volume ?? ""] === undefined) {
    throw new EstratoError("conflict", `snapshot ${snapshotLabel(early, target)}: its volume has been deleted`, {
      hint: `Make another of it: estrato volume create NAME --from-snapshot ${target.id}.`,
    });
  }
  return withVolume(world, target.volume ?? "", async (locks, before, seen) => {
    const look = async () => {
      const found = await findAttached(world, locks, await world.store.read(), seen);
      await requireAtRest(world, found.state, found.volume, found.status);
      return found;
    };
    const snapshot = before.snapshots[snapshotId];
    if (snapshot === undefined)
      throw new EstratoError("not_found", `snapshot ${snapshotId}: it has been deleted meanwhile`, {
        hint: 'See "estrato snapshot list".',
      });
    const what = `volume ${volumeLabel(before, seen)}`;
    const layers = snapshot.disks.map(({ layer }) => layer);
    const { volume } = await seenUnmerged(world, layers, what, await look(), look);
    const state = await world.store.read();
    const data = await planRevert(world, state, volume, snapshot, options);
    await requireSpace(world, EMPTY_HEAD_BYTES, `revert of ${what}`);
    const steps = revertVolumeSteps(world, data, what);
    const label = snapshotLabel(state, snapshot);
    const reverted = { instance: null, volume: volumeLabel(state, volume), snapshot: label, kept: data.kept };
    return run<RevertVolumeData, Reverted>(world, locks, {
      kind: revertVolumeKind,
      target: label,
      data,
      steps,
      result: async () => reverted,
    });
  });
}

async function requireAtRest(world: World, state: State, volume: Volume, status: DomainStatus | null): Promise<void> {
  if (status === null) return requireIdle(world, state, volume);
  if (status.live !== null) {
    const label = volumeLabel(state, volume);
    throw new EstratoError("conflict", `volume ${label}: ${status.name} runs with it`, {
      hint: `Stop it (estrato instance stop ${status.name}), or detach the volume first.`,
    });
  }
  refuseUnsafe(status);
  const fact = (await requireAgreement(world, state, status)).find((one) => one.volume.id === volume.id);
  if (fact !== undefined) requireUnshared(fact, status.name);
}

async function planRevert(
  world: World,
  state: State,
  volume: Volume,
  snapshot: Snapshot,
  options: RevertOptions,
): Promise<RevertVolumeData> {
  const before = await asLargeAsSeen(world, headOf(state, volume), null, `volume ${volumeLabel(state, volume)}`);
  const layer = state.layers[snapshot.disks[0]?.layer ?? ""];
  if (layer === undefined) {
    throw new EstratoError("integrity", `snapshot ${snapshotLabel(state, snapshot)}: its layer is not recorded`, {
      hint: 'Run "estrato doctor".',
    });
  }
  const head = newHead(world, state, volume, before, layer, layer.sizeBytes);
  const keep = () => {
    const fields = keptBefore(world, state, volume.id, options.keepMs, "the volume");
    const parent = snapshotBelow(state, volume);
    const own = { id: world.ids.next("snap"), parent, consistency: "offline", uefi: volume.uefi } as const;
    return volumeRecord(volume, head, { ...fields, ...own });
  };
  const kept = options.discard ? null : keep();
  return { uuid: volume.instance, head, kept };
}

/** In this order each crash has an answer. `what`: "volume data". */
function revertVolumeSteps(world: World, data: RevertVolumeData, what: string): Step[] {
  const { kept, head, uuid } = data;
  const steps: Step[] = [
    {
      id: "record-new-head",
      title: "Record the new head",
      run: () =>
        whenUnmerged(world, [head.backing.id], what, (draft) => {
          requireUnmoved(draft, head, what);
          draft.layers[head.after.id] = head.after;
        }),
    },
    { id: "make-new-head", title: "Make a new head", actions: [createHead(head)] },
  ];
  if (kept !== null) {
    steps.push({
      id: "keep-disk",
      title: "Keep what the volume holds",
      run: () =>
        world.store.update((draft) => {
          draft.snapshots[kept.id] = kept;
        }),
    });
  }
  if (uuid !== null) {
    const disks = definedDisks([head], "after");
    steps.push({
      id: "define-new-head",
      title: "Define the new head",
      actions: [{ do: "redefine", domain: uuid, disks }],
    });
  }
  return [...steps, ...afterDefining(world, data)];
}

/** From the point of no return on. Each step can be repeated. */
function afterDefining(world: World, data: RevertVolumeData): Step[] {
  return [
    { id: "freeze-old-heads", title: "Freeze what it had", actions: [freezeFile(data.head.before)] },
    {
      id: "record-revert",
      title: "Record the revert",
      run: () =>
        world.store.update((draft) => {
          adoptHeads(draft, [data.head]);
          if (data.kept !== null) draft.snapshots[data.kept.id] = data.kept;
        }),
    },
  ];
}

/**
 * A revert that never ended. Forward where it is recorded, or its instance is defined with (or was started on) the new
 * head; back otherwise: nobody has written to that one.
 */
async function recoverVolumeRevert(world: World, locks: HeldLocks, data: RevertVolumeData): Promise<Outcome> {
  const { head, kept, uuid } = data;
  const isRecorded = (await world.store.read()).volumes[head.volume]?.head === head.after.id;
  if (isRecorded || (uuid !== null && (await isDefined(world, uuid, head)))) {
    for (const step of afterDefining(world, data)) await repeat(world, locks, step);
    return "forward";
  }
  await requireUnheld(world, head.after.file);
  if (!(await isUnwritten(world, head.after))) {
    throw new EstratoError("integrity", `${head.after.file}: it holds data, and no definition names it`, {
      hint: "Copy that file and remove it.",
    });
  }
  if (kept !== null) await world.store.update((draft) => dropSnapshots(draft, [kept.id]));
  await perform(world, locks, [{ do: "unlink", path: head.after.file }, modeOf(head.before)]);
  await world.store.update((draft) => {
    delete draft.layers[head.after.id];
  });
  return "back";
}

/** With the new head, by itself or below what another tool has put on it since. */
async function isDefined(world: World, uuid: string, head: HeadChange): Promise<boolean> {
  const status = await world.host.domainStatus(uuid);
  return status !== null && (await filesUnder(world, status)).has(head.after.file);
}
