/**
 * `snapshot delete` and `prune`: dropping the pointer is all that the verb owes; the data that was only its own is
 * collected after.
 */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { compareTexts } from "../../order.ts";
import { confirmed } from "../confirm.ts";
import { looseSeeds } from "../instances/seed.ts";
import { lookAhead } from "../layers/ahead.ts";
import { exclusiveOf, freedByDropping } from "../layers/freed.ts";
import { sizedAndDated } from "../loss-words.ts";
import { type Action, unlinkAll } from "../model/action.ts";
import type { Snapshot, State } from "../model/state.ts";
import { notFound } from "../names.ts";
import { run } from "../operations/operation.ts";
import { type PlanView, perform, type Step } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { dropSnapshots, unlinkKept, unlinkRecords } from "./drop.ts";
import { findSnapshot, snapshotLabel, snapshotLocks } from "./find.ts";

interface DeleteData {
  readonly ids: readonly string[];
}

export const deleteSnapshotKind: Kind<DeleteData> = {
  name: "snapshot.delete",
  version: 1,
  data: v.object({ ids: v.array(v.string()) }),
  recover: recoverDelete,
};

/** The snapshot and, if asked, all that descend from it. */
export function withChildren(state: State, snapshot: Snapshot, children: boolean): Snapshot[] {
  const found = [snapshot];
  if (!children) return found;
  for (const one of found) {
    for (const other of Object.values(state.snapshots)) {
      if (other.parent === one.id && !found.includes(other)) found.push(other);
    }
  }
  return found;
}

/**
 * Deletes a snapshot, with `children` also its descendants (after a yes): those that it has when this begins, whether
 * there is anything to ask or not, since nobody has seen what comes later. No other snapshot, image or instance changes
 * its content. Throws "not_found"; "conflict" for a protected one, and where another descends from it by then. A dry
 * run returns the plan and the bytes it would free.
 */
export async function deleteSnapshot(
  world: World,
  target: string,
  options: { readonly children: boolean },
): Promise<PlanView | null> {
  const state = await world.store.read();
  const snapshot = findSnapshot(state, target, "delete");
  const doomed = withChildren(state, snapshot, options.children);
  if (options.children && doomed.length > 1) {
    const freed = await exclusiveOf(
      world,
      state,
      doomed.map(({ id }) => [{ kind: "snapshot", id }]),
    );
    const yes = await confirmed(world, {
      text: `Delete ${snapshotLabel(state, snapshot)} and the ${doomed.length - 1} that descend from it?`,
      loses: doomed.map((one, at) => {
        const own = freed[at] ?? null;
        return `snapshot ${snapshotLabel(state, one)}${sizedAndDated(world, own, one.createdAt)}`;
      }),
    });
    if (!yes) return null;
  }
  return withLocks(world, snapshotLocks(state, snapshot), async (locks) => {
    const now = await world.store.read();
    const again = now.snapshots[snapshot.id];
    if (again === undefined) throw notFound("snapshot", target);
    const all = withChildren(now, again, options.children);
    const later = all.find(({ id }) => !doomed.some((one) => one.id === id));
    if (later !== undefined) {
      throw new EstratoError(
        "conflict",
        `snapshot ${snapshotLabel(now, again)}: ${snapshotLabel(now, later)} descends from it since`,
        { hint: "Try again." },
      );
    }
    return deleteLocked(world, locks, now, all);
  });
}

/**
 * Deletes one that a rule has chosen, and not a person, if the rule chooses it still under its lock. Returns the plan
 * of a dry run; null where nothing was deleted: it had gone already, is chosen no more, or is left, as a note says,
 * since another command works on its instance, or it is protected. `why`: "has expired".
 */
export async function deleteChosen(
  world: World,
  { id }: Snapshot,
  why: string,
  isChosen: (snapshot: Snapshot) => boolean = () => true,
): Promise<{ readonly plan: PlanView | null } | null> {
  const state = await world.store.read();
  const snapshot = state.snapshots[id];
  if (snapshot === undefined) return null;
  try {
    return await withLocks(world, snapshotLocks(state, snapshot), async (locks) => {
      const now = await world.store.read();
      const again = now.snapshots[id];
      if (again === undefined || !isChosen(again)) return null;
      return { plan: await deleteLocked(world, locks, now, [again]) };
    });
  } catch (error) {
    if (!(error instanceof EstratoError) || error.code !== "conflict") throw error;
    world.report.note(`${snapshotLabel(state, snapshot)}: ${why}, but is left: ${error.message}`);
    return null;
  }
}

/**
 * The same of these, under the lock of their instance, which the caller holds. Throws "conflict" where one is
 * protected: none is dropped then.
 */
export async function deleteLocked(
  world: World,
  locks: HeldLocks,
  state: State,
  doomed: readonly Snapshot[],
): Promise<PlanView | null> {
  const kept = doomed.find((snapshot) => snapshot.protected);
  if (kept !== undefined) {
    throw new EstratoError("conflict", `snapshot ${snapshotLabel(state, kept)}: it is protected`, {
      hint: `Lift that first: estrato snapshot set ${snapshotLabel(state, kept)} --unprotect.`,
    });
  }
  const ids = doomed.map((snapshot) => snapshot.id);
  lookAhead(world, locks, state, doomed);
  const seeds = await seedsWithout(world, state, locks, ids);
  const steps: Step[] = [
    {
      id: "forget-snapshot",
      title: "Forget the snapshot",
      run: () => world.store.update((draft) => dropSnapshots(draft, ids)),
    },
    {
      id: "remove-records",
      title: "Remove its definition, and what its firmware kept",
      actions: [...unlinkKept(world, doomed), ...seeds],
    },
  ];
  return run<DeleteData, null>(world, locks, {
    kind: deleteSnapshotKind,
    target: doomed.map((one) => snapshotLabel(state, one)).join(", "),
    data: { ids },
    steps,
    follows: () => freedByDropping(world, state, (draft) => dropSnapshots(draft, ids)),
    result: async () => null,
  });
}

/** Seeds that no snapshot but these has any more. */
async function seedsWithout(world: World, state: State, locks: HeldLocks, ids: readonly string[]): Promise<Action[]> {
  const loose: string[] = [];
  for (const uuid of locks.names.filter((name) => state.instances[name] !== undefined))
    loose.push(...(await looseSeeds(world, state, uuid, ids)));
  return unlinkAll(loose);
}

/** Always forward: a snapshot that was to go, goes. */
async function recoverDelete(world: World, locks: HeldLocks, { ids }: DeleteData): Promise<Outcome> {
  const seeds = await seedsWithout(world, await world.store.read(), locks, ids);
  await world.store.update((draft) => dropSnapshots(draft, ids));
  await perform(world, locks, [...unlinkRecords(world, ids), ...seeds]);
  return "forward";
}

/** Expired, and not protected. */
export function hasExpired({ expiresAt, protected: isProtected }: Snapshot, now: Date): boolean {
  return expiresAt !== null && expiresAt <= now.toISOString() && !isProtected;
}

/** Expired and unprotected ones, oldest first. */
export function expiredSnapshots(state: State, now: Date): Snapshot[] {
  return Object.values(state.snapshots)
    .filter((snapshot) => hasExpired(snapshot, now))
    .sort((a, b) => compareTexts(a.createdAt, b.createdAt));
}
