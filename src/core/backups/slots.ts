/** Calendar slots of a stated zone: the hour, day, ISO week, month and year that an instant falls into. Pure. */
import { EstratoError } from "../../errors.ts";

export const PERIODS = ["hourly", "daily", "weekly", "monthly", "yearly"] as const;
export type Period = (typeof PERIODS)[number];

const DAY_MS = 86_400_000;
const THURSDAY = 4;
const formats = new Map<string, Intl.DateTimeFormat>();

/** "usage" where this machine knows no such zone. */
function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  try {
    const format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      timeZoneName: "longOffset",
    });
    formats.set(zone, format);
    return format;
  } catch (cause) {
    throw new EstratoError("usage", `time zone ${JSON.stringify(zone)}: unknown`, {
      hint: "Write it as Europe/Berlin or UTC.",
      cause,
    });
  }
}

/**
 * The names of the slots that `timeMs` (UTC) falls into in `zone` (IANA), as 2026-11-20T13+01:00, 2026-11-20, 2026-W47,
 * 2026-11, 2026. An hour's name holds the offset from UTC, so that the hour that comes twice when clocks go back is two
 * hours. Throws "usage" for an unknown zone.
 */
export function slotsOf(timeMs: number, zone: string): Readonly<Record<Period, string>> {
  const parts: Partial<Record<Intl.DateTimeFormatPartTypes, string>> = {};
  for (const { type, value } of formatOf(zone).formatToParts(timeMs)) parts[type] = value;
  const year = (parts.year ?? "").padStart(4, "0");
  const day = `${year}-${parts.month}-${parts.day}`;
  const offset = (parts.timeZoneName ?? "").replace("GMT", "") || "+00:00";
  return {
    hourly: `${day}T${parts.hour}${offset}`,
    daily: day,
    weekly: isoWeek(day),
    monthly: day.slice(0, -3),
    yearly: year,
  };
}

/** ISO 8601: weeks begin on Monday and belong to the year that their Thursday is in. */
function isoWeek(day: string): string {
  const midnight = Date.parse(`${day}T00:00:00Z`);
  const weekday = new Date(midnight).getUTCDay() || 7;
  const thursday = midnight + (THURSDAY - weekday) * DAY_MS;
  const year = new Date(thursday).getUTCFullYear();
  const week = 1 + Math.floor((thursday - Date.UTC(year, 0, 1)) / (7 * DAY_MS));
  return `${year}-W${String(week).padStart(2, "0")}`;
}
