import { expect, test } from "vitest";
import { calendarOf } from "../../../../src/core/backups/calendar.ts";
import type { BackupView } from "../../../../src/core/backups/list.ts";
import type { State } from "../../../../src/core/model/state.ts";

/** At noon, which is the same day in nearly every zone. */
const noon = (day: string) => `${day}T12:00:00.000Z`;
const taken = (day: string, more: Partial<BackupView> = {}) =>
  ({
    instance: "web1",
    instance_id: "u1",
    created_at: noon(day),
    status: "available",
    incremental: false,
    ...more,
  }) as BackupView;
const schedules = (createdAt: string): State["schedules"] =>
  ({
    s: { task: { kind: "backup" }, instance: "u1", cron: "0 12 * * *", zone: "Pacific/Auckland", createdAt },
  }) as never;
const daysOf = (
  found: readonly BackupView[],
  all: State["schedules"],
  now: Date,
  zone = "UTC",
): [string, number, number, Record<number, string>][] =>
  calendarOf(found, all, now, zone).map(({ instance, year, month, days }) => [
    instance,
    year,
    month + 1,
    Object.fromEntries(days),
  ]);

test("a day has the mark of the best backup of it, unless one is damaged", () => {
  const found = [
    taken("2025-01-30", { incremental: true }),
    taken("2025-01-30"),
    taken("2025-01-31", { status: "damaged" }),
    taken("2025-01-31"),
    taken("2025-02-01", { incremental: true }),
    taken("2025-01-30", { instance: "db1", instance_id: "u2" }),
  ];
  expect(daysOf(found, {}, new Date(noon("2025-02-03")))).toEqual([
    ["db1", 2025, 1, { 30: "full" }],
    ["web1", 2025, 1, { 30: "full", 31: "damaged" }],
    ["web1", 2025, 2, { 1: "incremental" }],
  ]);
});

test("a day on which a schedule was due and nothing came is missed: not before it was made, nor before the oldest", () => {
  const found = [taken("2025-01-02"), taken("2025-01-04")];
  const now = new Date(noon("2025-01-05"));
  const [[, , , since] = []] = daysOf(found, schedules(noon("2024-12-01")), now);
  expect(since).toEqual({ 2: "full", 3: "missed", 4: "full" });
  const [[, , , later] = []] = daysOf(found, schedules(noon("2025-01-03")), now);
  expect(later).toEqual({ 2: "full", 4: "full" });
});

test("a schedule is due in the zone of the host's cron, whatever zone its retention counts in", () => {
  const due = schedules("2025-01-01T12:30:00.000Z");
  const now = new Date("2025-01-02T11:00:00.000Z"); // noon of that day has been in Auckland, and not in UTC
  const marks = (zone: string) =>
    daysOf([taken("2024-12-25")], due, now, zone).flatMap(([, , , days]) => Object.values(days));
  expect(marks("UTC")).toEqual(["full"]);
  expect(marks("Pacific/Auckland").sort()).toEqual(["full", "missed"]);
});
