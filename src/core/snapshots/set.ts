/** `snapshot set` and `snapshot prune`. */
import { EstratoError } from "../../errors.ts";
import { withChange } from "../model/drafts.ts";
import type { Snapshot, State } from "../model/state.ts";
import { notFound, requireName } from "../names.ts";
import type { PlanView } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { World } from "../ports.ts";
import { deleteChosen, expiredSnapshots, hasExpired } from "./delete.ts";
import { findSnapshot, snapshotLabel, snapshotLocks } from "./find.ts";
import { snapshotsOf } from "./names.ts";

export interface SnapshotChanges {
  readonly name?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, string>>;
  readonly removedProperties?: readonly string[];
  readonly protect?: boolean;
  /** null: never expires. */
  readonly expiresAt?: string | null;
}

/**
 * Changes what is said of a snapshot, never what it holds. Throws "not_found", "conflict" for a name that is taken.
 * A dry run returns the plan and changes nothing.
 */
export async function setSnapshot(
  world: World,
  target: string,
  changes: SnapshotChanges,
): Promise<Snapshot | PlanView> {
  if (changes.name !== undefined) requireName("snapshot", changes.name);
  const state = await world.store.read();
  const snapshot = findSnapshot(state, target);
  return withLocks(world, snapshotLocks(state, snapshot), async (): Promise<Snapshot | PlanView> => {
    if (!world.dryRun) return world.store.update((draft) => change(draft, snapshot.id, target, changes));
    withChange(await world.store.read(), (draft) => void change(draft, snapshot.id, target, changes));
    return { steps: [{ title: "Record what is said of it", commands: [] }], notes: [], freesBytes: null };
  });
}

function change(draft: State, id: string, target: string, changes: SnapshotChanges): Snapshot {
  const one = draft.snapshots[id];
  if (one === undefined) throw notFound("snapshot", target);
  const { name } = changes;
  if (name !== undefined && name !== one.name) {
    const taken = snapshotsOf(draft, one.instance ?? one.volume ?? "").some((other) => other.name === name);
    if (taken)
      throw new EstratoError("conflict", `snapshot ${snapshotLabel(draft, one)}: the name ${name} is taken`, {
        hint: "Choose another.",
      });
    one.name = name;
  }
  if (changes.description !== undefined) one.description = changes.description;
  if (changes.protect !== undefined) one.protected = changes.protect;
  if (changes.expiresAt !== undefined) one.expiresAt = changes.expiresAt;
  one.properties = { ...one.properties, ...changes.properties };
  for (const key of changes.removedProperties ?? []) delete one.properties[key];
  return one;
}

/**
 * Deletes all that have expired and are not protected, each if that is so still when its turn comes; returns their
 * labels. What another command holds is left for the next time. Where one cannot be deleted, the others are; then that
 * is thrown.
 */
export async function pruneSnapshots(world: World): Promise<string[]> {
  return (await deleteExpired(world)).map(({ label }) => label);
}

/**
 * The same after other work, which is done and does not fail for it: another instance may be what keeps a snapshot from
 * going. A note says why.
 */
export async function pruneAfterwards(world: World): Promise<void> {
  try {
    await pruneSnapshots({ ...world, lockTimeoutMs: 0 }); // what another command works on is left for the next time
  } catch (error) {
    if (!(error instanceof EstratoError) || error.code === "interrupted") throw error;
    world.report.note(`not all snapshots that have expired are gone: ${error.message}`);
  }
}

/** For a dry run: the plan of each deletion. */
export async function planPruning(world: World): Promise<PlanView[]> {
  return (await deleteExpired(world)).flatMap(({ plan }) => plan ?? []);
}

async function deleteExpired(world: World): Promise<{ readonly label: string; readonly plan: PlanView | null }[]> {
  const state = await world.store.read();
  const gone: { label: string; plan: PlanView | null }[] = [];
  const failures: EstratoError[] = [];
  for (const snapshot of expiredSnapshots(state, world.clock.now())) {
    const label = snapshotLabel(state, snapshot);
    try {
      const deleted = await deleteChosen(world, snapshot, "has expired", (one) => hasExpired(one, world.clock.now()));
      if (deleted !== null) gone.push({ label, ...deleted });
    } catch (error) {
      if (!(error instanceof EstratoError) || error.code === "interrupted") throw error;
      failures.push(error);
    }
  }
  if (failures[0] !== undefined) throw failures[0];
  return gone;
}
