/** A schedule, as its verbs print it. */
import type { ScheduleView } from "../../core/schedules/view.ts";
import { flag, nested, span, status, text, time, words } from "../../ui/output/columns.ts";
import {
  AMOUNT,
  BOOLEAN,
  either,
  listOf,
  mapOf,
  object,
  oneOf,
  orNull,
  type Shape,
  TEXT,
} from "../../ui/output/shape.ts";

const hidden = { listed: false };

const QUIESCE = oneOf("try", "require", "off");
const BACKUP = {
  target: TEXT,
  type: TEXT,
  incremental: BOOLEAN,
  compress: BOOLEAN,
  quiesce: QUIESCE,
  disks: listOf(TEXT),
  passphrase_file: orNull(TEXT),
  verify: orNull(TEXT),
};
const TASK: Shape<ScheduleView["task"]> = either<ScheduleView["task"]>(
  object({ quiesce: QUIESCE, memory: BOOLEAN, expire_ms: orNull(AMOUNT) }),
  object(BACKUP),
  object({ ...BACKUP, verify_timeout_ms: AMOUNT, console_text: orNull(TEXT) }), // what boots is waited for
);
const HOOKS: Shape<NonNullable<ScheduleView["hooks"]>> = object({
  before: orNull(TEXT),
  after: orNull(TEXT),
  timeout_ms: AMOUNT,
  failure: oneOf("abort", "warn"),
});

export const scheduleColumns = [
  text<ScheduleView>("id", (one) => one.id, hidden),
  text<ScheduleView>("name", (one) => one.name),
  text<ScheduleView>("kind", (one) => one.kind, { shape: oneOf("snapshot", "backup") }),
  text<ScheduleView>("instance", (one) => one.instance, { rank: 1 }),
  text<ScheduleView>("instance_id", (one) => one.instance_id, hidden),
  text<ScheduleView>("cron", (one) => one.cron),
  time<ScheduleView>("next_run_at", (one) => one.next_run_at, { rank: 2, orNull: true }),
  time<ScheduleView>("last_run_at", (one) => one.last_run_at, { orNull: true }),
  status<ScheduleView>("last_result", (one) => one.last_result, { rank: 1, orNull: true }),
  text<ScheduleView>("last_message", (one) => one.last_message, { ...hidden, orNull: true }),
  span<ScheduleView>("last_ms", (one) => one.last_ms, { ...hidden, orNull: true }),
  time<ScheduleView>("last_good_at", (one) => one.last_good_at, { ...hidden, orNull: true }),
  nested("task", (one: ScheduleView) => one.task, TASK, hidden),
  nested("retention", (one: ScheduleView) => one.retention, orNull(mapOf(AMOUNT)), hidden),
  text<ScheduleView>("zone", (one) => one.zone, hidden),
  span<ScheduleView>("jitter_ms", (one) => one.jitter_ms, hidden),
  span<ScheduleView>("lock_timeout_ms", (one) => one.lock_timeout_ms, hidden),
  nested("hooks", (one: ScheduleView) => one.hooks, orNull(HOOKS), hidden),
  flag<ScheduleView>("catch_up", (one) => one.catch_up, hidden),
  text<ScheduleView>("owner", (one) => one.owner, hidden),
  time<ScheduleView>("created_at", (one) => one.created_at, hidden),
  words<ScheduleView>("lines", (one) => one.lines, hidden),
];
