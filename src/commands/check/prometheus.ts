/** The same figures for the textfile collector of Prometheus' node_exporter (text format 0.0.4). */
import type { Judgement } from "../../core/check/judge.ts";
import type { Facts } from "../../core/check/measure.ts";

type Labels = Readonly<Record<string, string>>;
const seconds = (date: Date): number => date.getTime() / 1000;

type Sample = readonly [labels: Labels, value: number];

export function prometheusText(facts: Facts, { level }: Judgement): string {
  const { schedules, chains, folders, interrupted, unreadable, now } = facts;
  const of = ({ name, instance, kind }: Facts["schedules"][number]): Labels => ({ schedule: name, instance, kind });
  return [
    statusMetrics(level, now),
    metric(
      "last_good_timestamp_seconds",
      "When the newest good backup or snapshot of a schedule began.",
      schedules.flatMap((one) => (one.goodAt === null ? [] : [[of(one), seconds(one.goodAt)] as const])),
    ),
    metric(
      "due_timestamp_seconds",
      "When the next one after the newest good one is due.",
      schedules.flatMap((one) => (one.dueAt === null ? [] : [[of(one), seconds(one.dueAt)] as const])),
    ),
    metric(
      "last_run_failed",
      "Did the last run of a schedule fail?",
      schedules.map((one) => [of(one), one.failure === null ? 0 : 1]),
    ),
    metric(
      "shelved",
      "Is the instance of a schedule shelved, so that nothing is taken?",
      schedules.map((one) => [of(one), one.shelved ? 1 : 0]),
    ),
    metric(
      "kept",
      "Good backups or snapshots of a schedule that are there.",
      schedules.flatMap((one) => (one.kept === null ? [] : [[of(one), one.kept] as const])),
    ),
    metric(
      "chain_layers",
      "Layers of the highest chain of an instance.",
      chains.map(({ instance, layers }) => [{ instance }, layers]),
    ),
    metric(
      "free_bytes",
      "Space left where layers or backups lie.",
      folders.map(({ path, freeBytes }) => [{ path }, freeBytes]),
    ),
    metric("unreadable_targets", "Targets of schedules that cannot be read.", [[{}, unreadable.length]]),
    metric("interrupted_operations", "Operations that have not ended and at which nobody is at work.", [
      [{}, interrupted.length],
    ]),
  ].join("");
}

/** Where it cannot be looked at: no figure is known then. */
export function prometheusUnknown(now: Date): string {
  return statusMetrics(3, now);
}

function statusMetrics(level: Judgement["level"], now: Date): string {
  return [
    metric("status", "What `estrato check` says: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.", [[{}, level]]),
    metric("timestamp_seconds", "When this was written.", [[{}, seconds(now)]]),
  ].join("");
}

function metric(name: string, help: string, samples: readonly Sample[]): string {
  const full = `estrato_${name}`;
  const lines = samples.map(([labels, value]) => `${full}${labelText(labels)} ${value}\n`);
  return lines.length === 0 ? "" : `# HELP ${full} ${help}\n# TYPE ${full} gauge\n${lines.join("")}`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
