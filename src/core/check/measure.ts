/** What `check` looks at: numbers and times, judged elsewhere. Reads only. */
import { EstratoError } from "../../errors.ts";
import { compareNames } from "../../order.ts";
import { type BackupView, listBackups } from "../backups/list.ts";
import { distinctTargets, nameOfTarget } from "../backups/targets/identity.ts";
import { examineWritable } from "../doctor/remembered.ts";
import { borrowedBackupsOf, isBorrowedBackup } from "../graph/borrowed.ts";
import { depth, standingOn } from "../graph/references.ts";
import { instanceId } from "../instances/find.ts";
import type { Schedule, State } from "../model/state.ts";
import { isAbandoned } from "../operations/entries.ts";
import type { World } from "../ports.ts";
import { nextDue } from "../schedules/cron-time.ts";
import { instanceNameOf } from "../schedules/find.ts";
import { mayBringTarget } from "../schedules/hooks.ts";
import { obstaclesOf, type ScheduleObstacle } from "../schedules/obstacles.ts";
import { scheduledSnapshots } from "../schedules/snapshot.ts";

export interface ScheduleFacts {
  readonly name: string;
  readonly instance: string;
  readonly kind: Schedule["task"]["kind"];
  /** When the last one that is good began; null: there was none yet. */
  readonly goodAt: Date | null;
  /** By which it counts as late: its first time after that, or after it was made. Null: it never comes again. */
  readonly dueAt: Date | null;
  /** Its time after that one. */
  readonly dueNextAt: Date | null;
  readonly jitterMs: number;
  /** Nothing is taken, and nothing is late. */
  readonly shelved: boolean;
  /** What is dated in the future, in words: the clock was ahead, and how old it is nobody knows. */
  readonly ahead: readonly string[];
  /** What has moved or gone that it needs. */
  readonly obstacles: readonly ScheduleObstacle[];
  /** The error of the last run; null where it went well or there was none. */
  readonly failure: string | null;
  /** How many that can be restored are there; null where the target cannot be read. */
  readonly kept: number | null;
}

export interface Facts {
  readonly now: Date;
  readonly schedules: readonly ScheduleFacts[];
  /** The newest good backup of an instance, whoever took it; only where one instance is asked about. */
  readonly newestBackupAt: Date | null;
  /** Layers of the highest chain of each instance. */
  readonly chains: readonly { readonly instance: string; readonly layers: number }[];
  readonly folders: readonly { readonly path: string; readonly freeBytes: number }[];
  /** Backups that are damaged, by id, and why. */
  readonly damaged: readonly { readonly backup: string; readonly why: string }[];
  /** Targets of schedules that cannot be read, and why; not those that hooks may bring when they are needed. */
  readonly unreadable: readonly string[];
  /** Why nothing of the store can be changed; [] where it can. */
  readonly unwritable: readonly string[];
  /** Operations that have not ended and at which nobody is at work: the commands, as typed. */
  readonly interrupted: readonly string[];
  /** Backups that instances still read from, which were booted from them, and that nobody is pulling in now. */
  readonly reading: readonly { readonly backup: string; readonly by: readonly string[] }[];
}

/**
 * All, or what concerns one instance (its name or id). Throws "not_found", and whatever keeps the state from being
 * read.
 */
export async function measure(world: World, target: string | null): Promise<Facts> {
  const state = await world.store.read();
  const instance = target === null ? null : await instanceId(world, target);
  const schedules = Object.values(state.schedules)
    .filter((one) => instance === null || one.instance === instance)
    .sort((a, b) => compareNames(a.name, b.name));
  const names = new Map<string, string>(); // one target may have several paths
  for (const { task } of schedules)
    if ("target" in task) names.set(task.target, await nameOfTarget(world, task.target));
  const targets = [...new Set(names.values())];
  const awaited = new Set(
    schedules.flatMap((one) =>
      "target" in one.task && !mayBringTarget(one) ? [names.get(one.task.target) ?? one.task.target] : [],
    ),
  );
  // A person may have put some elsewhere.
  const all = await distinctTargets(world, [...targets, ...Object.keys(state.targets)]);
  const { backups, unreadable } = await readTargets(world, [...new Set([...targets, ...all])]);
  const good = backups.filter(({ status }) => status !== "damaged");
  const readable = targets.filter((path) => !unreadable.has(path));
  const mine = good.filter((one) => instance !== null && one.instance_id === instance).flatMap(dateOf);
  const now = world.clock.now();
  const zone = await world.host.timeZone();
  return {
    now,
    schedules: await Promise.all(
      schedules.map(async (one) => ({
        ...factsOf(state, one, good, unreadable, names, { now, zone }),
        obstacles: await obstaclesOf(world, one),
      })),
    ),
    newestBackupAt: newest(mine.filter((date) => date <= now)),
    chains: chainsOf(state, instance),
    folders: await Promise.all(
      [world.store.paths.layersFolder, ...readable].map(async (path) => ({
        path,
        freeBytes: await world.host.freeBytes(path),
      })),
    ),
    damaged: backups
      .filter((one) => one.status === "damaged" && (instance === null || (one.instance_id ?? instance) === instance))
      .map(({ id, problem }) => ({ backup: id, why: problem ?? "" })),
    unreadable: [...unreadable].filter(([path]) => awaited.has(path)).map(([, why]) => why),
    unwritable: (await examineWritable(world)).map(({ problem }) => problem),
    interrupted: await interrupted(world, instance),
    reading: readingOf(state, instance),
  };
}

/** A target that is not mounted now keeps the others from nothing. */
async function readTargets(
  world: World,
  targets: readonly string[],
): Promise<{ backups: BackupView[]; unreadable: Map<string, string> }> {
  const backups: BackupView[] = [];
  const unreadable = new Map<string, string>();
  for (const target of targets) {
    try {
      backups.push(...(await listBackups(world, [target])));
    } catch (error) {
      if (!(error instanceof EstratoError)) throw error;
      unreadable.set(target, error.message);
    }
  }
  return { backups, unreadable };
}

function factsOf(
  state: State,
  schedule: Schedule,
  good: readonly BackupView[],
  unreadable: ReadonlyMap<string, string>,
  names: ReadonlyMap<string, string>,
  { now, zone }: { readonly now: Date; readonly zone: string },
): Omit<ScheduleFacts, "obstacles"> {
  const { task, instance } = schedule;
  const target = task.kind === "backup" ? (names.get(task.target) ?? task.target) : null;
  const there =
    task.kind === "snapshot"
      ? scheduledSnapshots(state, schedule).map(({ createdAt }) => new Date(createdAt))
      : good
          .filter((one) => one.instance_id === instance && one.type === task.type && one.target === target)
          .flatMap(dateOf);
  const isUnknown = target !== null && unreadable.has(target);
  // What is there counts, not what was once said to be: a backup that somebody removed, or that is damaged, is none.
  // But an expired snapshot is gone as it should be.
  const trusted = isUnknown || (task.kind === "snapshot" && task.expireMs !== null);
  const remembered = trusted && schedule.lastGoodAt !== null ? [new Date(schedule.lastGoodAt)] : [];
  // What is dated in the future is not fresh: it was taken while the clock was ahead, and nobody knows when.
  const isPast = (date: Date) => date <= now;
  const goodAt = newest([...there, ...remembered].filter(isPast));
  const { last } = schedule;
  const madeAt = new Date(schedule.createdAt);
  const shelved = state.instances[instance]?.shelved != null;
  // What was skipped while it was shelved is not late when it no longer is.
  const skipped = last?.result === "skipped" ? [new Date(last.startedAt)] : [];
  const since = newest([goodAt ?? madeAt, ...skipped].filter(isPast)) ?? now;
  const dueAt = shelved ? null : nextDue(schedule.cron, since, zone);
  return {
    name: schedule.name,
    instance: instanceNameOf(state, schedule),
    kind: task.kind,
    goodAt,
    dueAt,
    dueNextAt: dueAt === null ? null : nextDue(schedule.cron, dueAt, zone),
    jitterMs: schedule.jitterMs,
    shelved,
    ahead: [
      ...(isPast(madeAt) ? [] : ["it was made"]),
      ...there.filter((date) => !isPast(date)).map((date) => `a ${task.kind} is dated ${date.toISOString()}`),
    ],
    failure: last === null || shelved || isWell(last.result) ? null : (last.message ?? last.result),
    kept: isUnknown ? null : there.length,
  };
}

const isWell = (result: string): boolean => result === "done" || result === "skipped";

const dateOf = ({ created_at }: BackupView): Date[] => (created_at === null ? [] : [new Date(created_at)]);

function newest(dates: readonly Date[]): Date | null {
  return dates.reduce<Date | null>((found, one) => (found === null || one > found ? one : found), null);
}

function chainsOf(state: State, instance: string | null): Facts["chains"] {
  return Object.values(state.instances)
    .filter(({ id }) => instance === null || id === instance)
    .map(({ id, name }) => {
      const heads = Object.values(state.volumes).filter((volume) => volume.instance === id);
      return { instance: name, layers: Math.max(0, ...heads.map(({ head }) => depth(state, head))) };
    })
    .sort((a, b) => compareNames(a.instance, b.instance));
}

/**
 * Where a disk of a backup is being pulled in now, or was when it was interrupted, it is at work or among the
 * interrupted.
 */
function readingOf(state: State, instance: string | null): Facts["reading"] {
  const all =
    instance === null ? Object.values(state.layers).filter(isBorrowedBackup) : borrowedBackupsOf(state, instance);
  const readers = new Map<string, string[]>();
  const busy = new Set(all.flatMap(({ busy: mark, borrowed }) => (mark === null ? [] : [borrowed.backup.id])));
  for (const { id, borrowed } of all) {
    const { id: backup } = borrowed.backup;
    if (!busy.has(backup)) readers.set(backup, [...(readers.get(backup) ?? []), ...standingOn(state, id)]);
  }
  return [...readers].map(([backup, by]) => ({ backup, by: [...new Set(by)] }));
}

async function interrupted(world: World, instance: string | null): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await world.store.journal.list()) {
    if (instance !== null && !entry.locks.includes(instance)) continue;
    if (await isAbandoned(world, entry)) found.push(entry.command);
  }
  return found;
}
