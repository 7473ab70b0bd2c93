/** What `schedule list` and `show` say. */
import { compareNames } from "../../order.ts";
import type { Schedule, State, Verification } from "../model/state.ts";
import { nextDue } from "./cron-time.ts";
import { instanceNameOf } from "./find.ts";

export interface ScheduleView {
  readonly id: string;
  readonly name: string;
  readonly kind: Schedule["task"]["kind"];
  readonly instance: string;
  readonly instance_id: string;
  readonly cron: string;
  readonly next_run_at: string | null;
  readonly last_run_at: string | null;
  readonly last_result: string | null;
  readonly last_message: string | null;
  readonly last_ms: number | null;
  readonly last_good_at: string | null;
  readonly task: Readonly<Record<string, string | number | boolean | null | readonly string[]>>;
  readonly retention: Readonly<Record<string, number>> | null;
  readonly zone: string;
  readonly jitter_ms: number;
  readonly lock_timeout_ms: number;
  readonly hooks: Readonly<Record<string, string | number | null>> | null;
  readonly catch_up: boolean;
  readonly owner: string;
  readonly created_at: string;
  readonly lines: readonly string[];
}

/** By name. `zone`: of the host's cron. */
export function viewSchedules(state: State, now: Date, zone: string): ScheduleView[] {
  const byName = Object.values(state.schedules).sort((a, b) => compareNames(a.name, b.name));
  return byName.map((schedule) => viewSchedule(state, schedule, now, zone));
}

export function viewSchedule(state: State, schedule: Schedule, now: Date, zone: string): ScheduleView {
  const { kind } = schedule.task;
  return {
    id: schedule.id,
    name: schedule.name,
    kind,
    instance: instanceNameOf(state, schedule),
    instance_id: schedule.instance,
    cron: schedule.cron,
    next_run_at: nextDue(schedule.cron, now, zone)?.toISOString() ?? null,
    last_run_at: schedule.last?.startedAt ?? null,
    last_result: schedule.last?.result ?? null,
    last_message: schedule.last?.message ?? null,
    last_ms: schedule.last?.ms ?? null,
    last_good_at: schedule.lastGoodAt,
    task: taskView(schedule.task),
    retention: schedule.retention === null ? null : retentionView(schedule.retention),
    zone: schedule.zone,
    jitter_ms: schedule.jitterMs,
    lock_timeout_ms: schedule.lockTimeoutMs,
    hooks: schedule.hooks && {
      before: schedule.hooks.before,
      after: schedule.hooks.after,
      timeout_ms: schedule.hooks.timeoutMs,
      failure: schedule.hooks.failure,
    },
    catch_up: schedule.catchUp,
    owner: schedule.owner,
    created_at: schedule.createdAt,
    lines: schedule.lines,
  };
}

function taskView(task: Schedule["task"]): ScheduleView["task"] {
  if (task.kind === "snapshot") return { quiesce: task.quiesce, memory: task.memory, expire_ms: task.expireMs };
  const { kind: _, passphraseFile, verify, ...how } = task;
  const boot = verify?.kind !== "boot" ? {} : { verify_timeout_ms: verify.timeoutMs, console_text: verify.consoleText };
  return { ...how, passphrase_file: passphraseFile, verify: verificationText(verify), ...boot };
}

/** As it is written on the line; null: nothing is verified. */
export function verificationText(verify: Verification | null): string | null {
  return verify?.kind === "share" ? `${verify.percent}%` : (verify?.kind ?? null);
}

function retentionView(retention: NonNullable<Schedule["retention"]>): Record<string, number> {
  const given = Object.entries(retention).filter((entry): entry is [string, number] => typeof entry[1] === "number");
  return Object.fromEntries(given.map(([rule, value]) => [rule === "withinMs" ? "within_ms" : rule, value]));
}
