/** `backup list --calendar`: which day has which backup, and which should have had one. */
import { compareTexts } from "../../order.ts";
import type { State } from "../model/state.ts";
import { nextDue } from "../schedules/cron-time.ts";
import type { BackupView } from "./list.ts";

/** The worst of a day counts: one that is damaged is no backup, a full one is more than what builds on it. */
export type DayMark = "damaged" | "full" | "incremental" | "missed";

export interface Month {
  readonly instance: string;
  readonly year: number;
  /** From 0, as Date counts. */
  readonly month: number;
  /** By day of the month. */
  readonly days: ReadonlyMap<number, DayMark>;
}

const ORDER: readonly DayMark[] = ["damaged", "full", "incremental", "missed"];
/** A schedule of every minute has half a million times in a year. */
const MOST_DUE = 5000;

/**
 * The months in which there is something, by instance, in the calendar of this process. Missed is a day on which a
 * schedule of the instance was due, and of which there is no backup: since the schedule was made, or the oldest backup.
 * `zone`: of the host's cron.
 */
export function calendarOf(
  backups: readonly BackupView[],
  schedules: State["schedules"],
  now: Date,
  zone: string,
): Month[] {
  const months = new Map<string, Month & { readonly days: Map<number, DayMark> }>();
  const mark = (instance: string, at: Date, found: DayMark): void => {
    const [year, month, day] = [at.getFullYear(), at.getMonth(), at.getDate()];
    const key = `${instance}\0${year}-${String(month).padStart(2, "0")}`;
    const block = months.get(key) ?? { instance, year, month, days: new Map<number, DayMark>() };
    months.set(key, block);
    const known = block.days.get(day);
    if (known === undefined || ORDER.indexOf(found) < ORDER.indexOf(known)) block.days.set(day, found);
  };
  const oldest = new Map<string, string>();
  for (const { instance, instance_id: id, created_at: at, status, incremental } of backups) {
    if (at === null) continue;
    mark(instance ?? "", new Date(at), status === "damaged" ? "damaged" : incremental ? "incremental" : "full");
    if (id !== null && at < (oldest.get(id) ?? at + 1)) oldest.set(id, at);
  }
  const names = new Map(backups.map((one) => [one.instance_id, one.instance]));
  for (const { task, instance, cron, createdAt } of Object.values(schedules)) {
    const name = names.get(instance);
    if (task.kind !== "backup" || typeof name !== "string") continue;
    const since = [createdAt, oldest.get(instance) ?? createdAt].sort().at(-1) ?? createdAt;
    let due = nextDue(cron, new Date(since), zone);
    for (let left = MOST_DUE; due !== null && due < now && left > 0; left -= 1) {
      mark(name, due, "missed");
      due = nextDue(cron, due, zone);
    }
  }
  return [...months].sort(([a], [b]) => compareTexts(a, b)).map(([, block]) => block);
}
