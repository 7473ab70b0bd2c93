/** What a schedule of snapshots does: takes one, and removes what its retention or its expiry says. */
import { compareTexts } from "../../order.ts";
import { retain } from "../backups/retention.ts";
import type { Schedule, ScheduledSnapshot, Snapshot, State } from "../model/state.ts";
import type { PlanView } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { createSnapshot } from "../snapshots/create.ts";
import { deleteChosen } from "../snapshots/delete.ts";

/** Tells people by name which schedule took a snapshot; nothing is selected by it. */
const PROPERTY = "schedule";

/** The snapshots that this schedule has taken and that are still there, oldest first. */
export function scheduledSnapshots(state: State, { id }: Pick<Schedule, "id">): Snapshot[] {
  return Object.values(state.snapshots)
    .filter(({ schedule }) => schedule === id)
    .sort((a, b) => compareTexts(a.createdAt, b.createdAt));
}

/**
 * Takes a snapshot as the schedule says; only when it is there do older ones go, as `unhurried`. A dry run returns the
 * plan of taking it.
 */
export async function takeSnapshot(
  world: World,
  unhurried: World,
  schedule: Schedule,
  { quiesce, memory, expireMs }: ScheduledSnapshot,
): Promise<PlanView | null> {
  const made = await createSnapshot(world, {
    instance: schedule.instance,
    name: null,
    quiesce,
    memory,
    excludeDisks: [],
    description: null,
    properties: { [PROPERTY]: schedule.name },
    schedule: schedule.id,
    expiresAt: expireMs === null ? null : new Date(world.clock.now().getTime() + expireMs).toISOString(),
    protect: false,
  });
  if ("steps" in made) return made;
  await removeOld(unhurried, schedule);
  return null;
}

async function removeOld(world: World, schedule: Schedule): Promise<void> {
  if (schedule.retention === null) return;
  const taken = scheduledSnapshots(await world.store.read(), schedule);
  const verdicts = retain(taken, schedule.retention, schedule.zone, world.clock.now());
  const old = new Set(verdicts.flatMap(({ id, keep }) => (keep ? [] : id)));
  for (const snapshot of taken.filter(({ id }) => old.has(id))) await deleteChosen(world, snapshot, "it was to go");
}
