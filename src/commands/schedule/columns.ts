/** A schedule, as its verbs print it. */
import type { ScheduleView } from "../../core/schedules/view.ts";
import { flag, nested, span, status, text, time, words } from "../../ui/output/columns.ts";

const hidden = { listed: false };

export const scheduleColumns = [
  text<ScheduleView>("id", (one) => one.id, hidden),
  text<ScheduleView>("name", (one) => one.name),
  text<ScheduleView>("kind", (one) => one.kind),
  text<ScheduleView>("instance", (one) => one.instance, { rank: 1 }),
  text<ScheduleView>("instance_id", (one) => one.instance_id, hidden),
  text<ScheduleView>("cron", (one) => one.cron),
  time<ScheduleView>("next_run_at", (one) => one.next_run_at, { rank: 2 }),
  time<ScheduleView>("last_run_at", (one) => one.last_run_at),
  status<ScheduleView>("last_result", (one) => one.last_result, { rank: 1 }),
  text<ScheduleView>("last_message", (one) => one.last_message, hidden),
  span<ScheduleView>("last_ms", (one) => one.last_ms, hidden),
  time<ScheduleView>("last_good_at", (one) => one.last_good_at, hidden),
  nested<ScheduleView>("task", (one) => ({ ...one.task }), hidden),
  nested<ScheduleView>("retention", (one) => (one.retention === null ? null : { ...one.retention }), hidden),
  text<ScheduleView>("zone", (one) => one.zone, hidden),
  span<ScheduleView>("jitter_ms", (one) => one.jitter_ms, hidden),
  span<ScheduleView>("lock_timeout_ms", (one) => one.lock_timeout_ms, hidden),
  nested<ScheduleView>("hooks", (one) => (one.hooks === null ? null : { ...one.hooks }), hidden),
  flag<ScheduleView>("catch_up", (one) => one.catch_up, hidden),
  text<ScheduleView>("owner", (one) => one.owner, hidden),
  time<ScheduleView>("created_at", (one) => one.created_at, hidden),
  words<ScheduleView>("lines", (one) => one.lines, hidden),
];
