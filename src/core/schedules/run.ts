/** `schedule run`: what cron calls. Does what the record says, as a person would, and remembers how it went. */
import { EstratoError } from "../../errors.ts";
import { wordsOf } from "../../system-answer.ts";
import { backupAndRotate } from "../backups/take.ts";
import type { Schedule, ScheduledBackup } from "../model/state.ts";
import { isPlan, type PlanView } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";
import { pruneAfterwards } from "../snapshots/set.ts";
import { nextDue } from "./cron-time.ts";
import { findSchedule } from "./find.ts";
import { type Hooked, hooked } from "./hooked.ts";
import { takeSnapshot } from "./snapshot.ts";
import { proofBy } from "./verify.ts";

export interface RunOptions {
  /** Only where a time has gone by since it last began. */
  readonly catchUp: boolean;
  /** Waits a while first, so that many hosts with the same times do not begin at once. */
  readonly jitter: boolean;
}

/**
 * Runs a schedule once. Afterwards what it makes is there, what its retention says is gone, and what is to be verified
 * is what was written, or an error is thrown; all are recorded. Of an instance that is shelved nothing is taken, which
 * is no error: somebody has put it away, and its backups with it. That too is recorded. Throws "not_found", "conflict"
 * where its last run is still at work or the instance is busy for longer than its lock time-out, "integrity" where what
 * it took is damaged or does not boot.
 */
export async function runSchedule(world: World, target: string, options: RunOptions): Promise<PlanView | null> {
  const schedule = findSchedule(await world.store.read(), target);
  const isLate = async (one: Schedule, at: Date) => isOverdue(one, at, await world.host.timeZone());
  if (options.catchUp && !(await isLate(schedule, world.clock.now()))) return null;
  if (world.dryRun && (await isShelved(world, schedule)))
    return { steps: [], notes: [skipText(schedule)], freesBytes: null };
  if (world.dryRun) return (await hooked(world, schedule, () => perform(world, schedule))).plan;
  const startedAt = world.clock.now();
  if (options.jitter && schedule.jitterMs > 0) await world.clock.sleep(jitterOf(world, schedule), world.signal);
  const locks = await lockRun(world, schedule);
  try {
    // While we waited it may have been deleted, or another run may have made up for it.
    const again = (await world.store.read()).schedules[schedule.id];
    if (again === undefined || (options.catchUp && !(await isLate(again, startedAt)))) return null;
    await record(world, schedule.id, startedAt, await outcomeOf(world, again));
  } finally {
    await locks.release();
  }
  return null;
}

async function isShelved(world: World, { instance }: Schedule): Promise<boolean> {
  return (await world.store.read()).instances[instance]?.shelved != null;
}

function skipText({ instanceName }: Schedule): string {
  return `instance ${instanceName} is shelved: nothing is taken`;
}

/**
 * Has a time of its gone by since it last began, or since it was made? What is remembered with a time in the future was
 * so while the clock was ahead, and says nothing; where there is nothing else, it is overdue. `zone`: of the host's
 * cron.
 */
export function isOverdue({ cron, last, lastGoodAt, createdAt }: Schedule, now: Date, zone: string): boolean {
  const began = last === null ? [] : [last.startedAt];
  const past = [...began, lastGoodAt ?? createdAt, createdAt]
    .map((time) => new Date(time))
    .filter((time) => time <= now);
  if (past.length === 0) return true;
  const due = nextDue(cron, new Date(Math.max(...past.map((time) => time.getTime()))), zone);
  return due !== null && due <= now;
}

/** Anything from nothing to the jitter; from an id, which is as random as can be. */
function jitterOf(world: World, { jitterMs }: Schedule): number {
  const digits = world.ids.next("op").slice(-8);
  return Math.floor((Number.parseInt(digits, 16) / 2 ** 32) * jitterMs);
}

async function lockRun(world: World, { id, name }: Schedule): Promise<HeldLocks> {
  try {
    return await world.store.lock([id], world.lockTimeoutMs, world.signal);
  } catch (error) {
    if (!(error instanceof EstratoError) || error.code !== "conflict") throw error;
    throw new EstratoError("conflict", `schedule ${name}: its last run is still at work`, {
      hint: "Give it more time between two runs.",
      cause: error,
    });
  }
}

/**
 * The instance may be busy when cron calls: it is waited for, as long as the schedule says. Afterwards what has expired
 * goes too, also where the new one failed: it may have been what was in the way, a chain too long or a disk full.
 */
async function perform(world: World, schedule: Schedule): Promise<PlanView | null> {
  const waiting = { ...world, lockTimeoutMs: Math.max(world.lockTimeoutMs, schedule.lockTimeoutMs) };
  const unhurried = { ...world, lockTimeoutMs: 0 }; // what another command works on is left for the next time
  const { task } = schedule;
  let plan: PlanView | null;
  try {
    plan =
      task.kind === "snapshot"
        ? await takeSnapshot(waiting, unhurried, schedule, task)
        : await takeBackup(waiting, schedule, task);
  } catch (error) {
    if (!world.dryRun) await pruneAfterwards(world).catch(() => undefined); // the first error says more
    throw error;
  }
  if (!world.dryRun && task.kind === "snapshot") await pruneAfterwards(world); // a backup has done so
  return plan;
}

/** Its retention is always there: `schedule create` refuses one without. */
async function takeBackup(world: World, schedule: Schedule, task: ScheduledBackup): Promise<PlanView | null> {
  const { kind: _, verify, ...how } = task;
  const { retention, zone, instance } = schedule;
  if (retention === null) throw new EstratoError("integrity", `schedule ${schedule.name}: it has no retention`);
  const options = { ...how, instance, name: null, schedule: schedule.id };
  const proof = verify === null ? null : proofBy(world, schedule, task, verify);
  const made = await backupAndRotate(world, options, retention, zone, proof);
  return isPlan(made) ? made : null;
}

interface Outcome {
  readonly result: string; // done, skipped, warned (a hook failed), or the code of the error
  readonly message: string | null;
  readonly error: unknown; // null: it is not to be thrown
}

async function outcomeOf(world: World, schedule: Schedule): Promise<Outcome> {
  const skipped = (): Outcome => {
    world.report.note(`${schedule.name}: ${skipText(schedule)}`);
    return { result: "skipped", message: skipText(schedule), error: null };
  };
  if (await isShelved(world, schedule)) return skipped();
  try {
    const { warning }: Hooked = await hooked(world, schedule, () => perform(world, schedule));
    return { result: warning === null ? "done" : "warned", message: warning, error: null };
  } catch (error) {
    if (await isShelved(world, schedule).catch(() => false)) return skipped(); // while we waited for it
    const result = error instanceof EstratoError ? error.code : "failed";
    return { result, message: wordsOf(error), error };
  }
}

/** Throws the error again, if there is one, once it is recorded. */
async function record(world: World, id: string, startedAt: Date, { result, message, error }: Outcome): Promise<void> {
  const last = {
    startedAt: startedAt.toISOString(),
    ms: Math.max(0, world.clock.now().getTime() - startedAt.getTime()),
    result,
    message,
  };
  const store = () =>
    world.store.update((draft) => {
      const schedule = draft.schedules[id];
      if (schedule === undefined) return;
      schedule.last = last;
      if (error === null && result !== "skipped") schedule.lastGoodAt = last.startedAt;
    });
  if (error === null) return store();
  await store().catch(() => undefined); // the first error says more
  throw error;
}
