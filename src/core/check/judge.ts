/** From what `check` has measured to how bad it is. Pure. */
import { humanSize, humanSpan } from "../../units.ts";
import type { Facts, ScheduleFacts } from "./measure.ts";

/** Nagios' states, which are the exit codes too. */
export const LEVELS = ["OK", "WARNING", "CRITICAL", "UNKNOWN"] as const;
export type Level = 0 | 1 | 2 | 3;

export interface Limits {
  /** How much later than due a run may be (beside its jitter) before it counts as missed. */
  readonly graceMs: number;
  /** Ages of the last good one; null: its schedule alone decides. */
  readonly warningAgeMs: number | null;
  readonly criticalAgeMs: number | null;
  /** Fewer kept than this is a warning. */
  readonly leastKept: number;
  readonly warningFreeBytes: number;
  readonly criticalFreeBytes: number;
  readonly warningLayers: number;
  readonly criticalLayers: number;
}

export interface Judgement {
  readonly level: Level;
  /** What is wrong, the worst first; [] where all is well. */
  readonly problems: readonly string[];
}

interface Problem {
  readonly level: Level;
  readonly text: string;
}

/**
 * The level is that of the worst problem. `asked`: the one instance that it is about, which then must be looked after
 * by somebody.
 */
export function judge(facts: Facts, limits: Limits, wanted: string | null): Judgement {
  const found: Problem[] = [
    ...facts.schedules.flatMap((one) => judgeSchedule(facts, limits, one)),
    ...(wanted !== null && facts.schedules.length === 0 ? judgeUnscheduled(facts, limits, wanted) : []),
    ...[...facts.unwritable, ...facts.unreadable].map((text): Problem => ({ level: 2, text })),
    ...facts.folders.flatMap(({ path, freeBytes }) =>
      tooLittle(freeBytes, limits.warningFreeBytes, limits.criticalFreeBytes, `${path}: ${humanSize(freeBytes)} free`),
    ),
    ...facts.chains.flatMap(({ instance, layers }) =>
      tooMuch(layers, limits.warningLayers, limits.criticalLayers, `${instance}: ${layers} layers high`),
    ),
    ...facts.damaged.map(({ backup, why }): Problem => ({ level: 1, text: `backup ${backup} is damaged: ${why}` })),
    ...facts.reading.map(
      ({ backup, by }): Problem => ({ level: 1, text: `backup ${backup} is still read by ${by.join(", ")}` }),
    ),
    ...facts.interrupted.map((command): Problem => ({ level: 1, text: `interrupted: ${command}` })),
  ];
  // UNKNOWN is less than what is known to be bad.
  const rank = ({ level }: Problem) => (level === 3 ? 0.5 : level);
  const sorted = found.sort((a, b) => rank(b) - rank(a));
  return { level: sorted[0]?.level ?? 0, problems: sorted.map(({ text }) => text) };
}

function judgeSchedule(facts: Facts, limits: Limits, one: ScheduleFacts): Problem[] {
  const nowMs = facts.now.getTime();
  const last = one.goodAt === null ? "none yet" : `the last good one is ${humanSpan(nowMs - one.goodAt.getTime())} old`;
  const missed = [one.dueAt, one.dueNextAt].filter(
    (due) => due !== null && due.getTime() + limits.graceMs + one.jitterMs < nowMs,
  ).length;
  const found: Problem[] = [];
  if (missed > 0) found.push({ level: missed > 1 ? 2 : 1, text: `${one.name} is late: ${last}` });
  else if (one.goodAt !== null && !one.shelved)
    found.push(...tooOld(nowMs - one.goodAt.getTime(), limits, `${one.name}: ${last}`));
  const [ahead] = one.ahead;
  if (ahead !== undefined) found.push({ level: 1, text: `${one.name}: ${ahead}, in the future: the clock was ahead` });
  for (const { problem, stops } of one.obstacles) found.push({ level: stops ? 2 : 1, text: `${one.name}: ${problem}` });
  if (one.failure !== null) found.push({ level: 1, text: `${one.name} failed: ${one.failure}` });
  if (one.kept !== null && one.kept < limits.leastKept)
    found.push({ level: 1, text: `${one.name} keeps ${one.kept}, fewer than ${limits.leastKept}` });
  return found;
}

/** Backups that a person, or another cron line, takes. */
function judgeUnscheduled({ newestBackupAt, now }: Facts, limits: Limits, wanted: string): Problem[] {
  if (newestBackupAt === null) return [{ level: 3, text: `${wanted} has no schedule and no backup` }];
  const ageMs = now.getTime() - newestBackupAt.getTime();
  if (limits.warningAgeMs === null && limits.criticalAgeMs === null)
    return [{ level: 3, text: `${wanted} has no schedule; its newest backup is ${humanSpan(ageMs)} old` }];
  return tooOld(ageMs, limits, `${wanted}: the newest backup is ${humanSpan(ageMs)} old`);
}

function tooOld(ageMs: number, { warningAgeMs, criticalAgeMs }: Limits, text: string): Problem[] {
  return tooMuch(
    ageMs,
    (warningAgeMs ?? Number.POSITIVE_INFINITY) + 1,
    (criticalAgeMs ?? Number.POSITIVE_INFINITY) + 1,
    text,
  );
}

function tooMuch(value: number, warning: number, critical: number, text: string): Problem[] {
  if (value >= critical) return [{ level: 2, text }];
  return value >= warning ? [{ level: 1, text }] : [];
}

function tooLittle(value: number, warning: number, critical: number, text: string): Problem[] {
  if (value < critical) return [{ level: 2, text }];
  return value < warning ? [{ level: 1, text }] : [];
}
