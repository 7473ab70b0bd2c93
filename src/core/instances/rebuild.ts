/**
 * `instance rebuild`: an instance goes on from an image, in new empty heads: a revert whose goal is an image. What it
 * had is kept. Moves no data.
 */
import { EstratoError } from "../../errors.ts";
import { NO_FIRMWARE } from "../firmware.ts";
import { seenUnmerged } from "../layers/heads.ts";
import type { Snapshot } from "../model/state.ts";
import type { PlanView } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";
import { imageToCopy, withBorrowed } from "../sharing/borrow.ts";
import { goOnFrom } from "../snapshots/revert.ts";
import { planRevert } from "../snapshots/revert-plan.ts";
import { rebuildKind } from "../snapshots/revert-recovery.ts";
import { refuseUnsafe, requireAgreement } from "../truth.ts";
import { findToChange } from "../volumes/take-in.ts";
import { attachedByOthers, planAdoption } from "./adopt.ts";
import { findInstance } from "./find.ts";
import { foundationOf, imageGoal, isGone, requireBootable } from "./rebuild-goal.ts";
import { withInstance } from "./with-instance.ts";

export interface RebuildOptions {
  /** An image by id or name; null: the one that it was made from, or rebuilt on last. */
  readonly image: string | null;
  /** How long the automatic snapshot is kept, in ms. */
  readonly keepMs: number;
  /** Stand on the files of a lender who is not root, without a copy. */
  readonly trustOwner: boolean;
}

/** What was rebuilt. */
export interface Rebuilt {
  readonly instance: string;
  readonly image: string; // its name
  /** The automatic snapshot that `unrevert` goes back to. */
  readonly kept: Snapshot;
}

/**
 * The instance's own disks, NVRAM and TPM become what the image holds, and its seed gets a new instance-id; running
 * before, running after. Its identity, size, snapshots and attached volumes stay. What the disks held is kept as an
 * automatic snapshot. Throws "not_found", "conflict", "host" or "integrity" before anything is touched, or leaves it as
 * it was. A dry run returns the plan.
 */
export async function rebuildInstance(
  world: World,
  target: string,
  options: RebuildOptions,
): Promise<Rebuilt | PlanView> {
  const { record, state, status } = await findInstance(world, target);
  const base = record?.base;
  const image = options.image ?? (base === undefined || isGone(state, base) ? null : base.image);
  const { trustOwner } = options;
  const copied = await imageToCopy(world, state, image === null ? null : { kind: "image", target: image }, {
    trustOwner,
  });
  if (copied === null) return withInstance(world, target, (...how) => rebuildLocked(world, options, ...how));
  // What is refused is refused before anything is copied.
  refuseUnsafe(status);
  requireBootable(status, { label: `image ${copied.name}`, uefi: copied.uefi, ...NO_FIRMWARE });
  const { withCopyOf } = await import("../sharing/copy.ts");
  return withCopyOf(world, copied, (within, { id }) =>
    withInstance(within, target, (...how) => rebuildLocked(within, { ...options, image: id }, ...how)),
  );
}

async function rebuildLocked(
  world: World,
  options: RebuildOptions,
  locks: HeldLocks,
  uuid: string,
  meant?: string,
): Promise<Rebuilt | PlanView> {
  const look = async () => {
    const how = { also: "qemu", ...(meant === undefined ? {} : { meant }) } as const;
    const found = await findToChange(world, locks, uuid, how);
    refuseUnsafe(found.status);
    return found;
  };
  const seen = await look();
  const early = await world.store.read();
  const known = early.instances[uuid] ?? { name: seen.status.name };
  const foundation = await foundationOf(world, early, known, options.image);
  const { source, loan, base } = foundation;
  const lent = new Set(loan?.layers.map(({ id }) => id));
  const own = source.disks.map(({ layer }) => layer).filter((id) => !lent.has(id));
  const { status } = await seenUnmerged(world, own, `instance ${seen.status.name}`, seen, look);
  const adoption = await planAdoption(world, status, attachedByOthers(early, status));
  const state = withBorrowed(adoption.state, loan);
  const facts = await requireAgreement(world, state, status);
  const goal = await imageGoal(world, state, status, foundation);
  const data = await planRevert(world, state, status, facts, goal, { discard: false, keepMs: options.keepMs });
  const { kept } = data;
  if (kept === null) throw new EstratoError("integrity", `instance ${status.name}: nothing would be kept`);
  const planned = { kind: rebuildKind, label: status.name, status, adoption, data, state };
  return goOnFrom(world, locks, planned, async () => ({ instance: status.name, image: base.name, kept }));
}
