/** Sizes and times as people read them, in messages and tables alike. A leaf: core speaks so, too. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** `10 GiB`, `1.5 GiB`, `512 MiB`: powers of 1024, one decimal where it says something. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const rounded = value < 100 ? Math.round(value * 10) / 10 : Math.round(value);
  return `${rounded} ${UNITS[unit]}`;
}

const DURATIONS = [
  ["w", 604_800_000],
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
] as const;

/** What a hundred years have: whoever says longer has not meant it, and dates end somewhere. */
export const LONGEST_DURATION_MS = 100 * 365 * 86_400_000;

/** Milliseconds of `90s`, `30m`, `12h`, `7d`, `2w` and `0`; null where it is none of these. */
export function durationMs(text: string): number | null {
  if (text === "0") return 0;
  const [, count, letter] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  const unit = DURATIONS.find(([name]) => name === letter);
  return unit === undefined ? null : Number(count) * unit[1];
}

/** `90s`, `12h`: the largest unit that tells it exactly, as it is typed. */
export function humanDuration(ms: number): string {
  if (ms === 0) return "0";
  const unit = DURATIONS.find(([, unitMs]) => ms % unitMs === 0);
  return unit === undefined ? `${ms} ms` : `${ms / unit[1]}${unit[0]}`;
}

/** How long something took, or is old: `350 ms`, `2.4 s`, `40 s`, and above that two units: `2 h 5 min`, `3 d 4 h`. */
export function humanSpan(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 9950) return `${Math.round(ms / 100) / 10} s`;
  const seconds = Math.floor(ms / 1000);
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([value]) => value > 0);
  const shown = parts.slice(first, first + 2).filter(([value]) => value > 0);
  return shown.map(([value, unit]) => `${value} ${unit}`).join(" ");
}

/** `2026-11-20 11:42` in the zone of whoever reads. */
export function humanTime(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

const AGES = [
  ["year", 365 * 86_400_000],
  ["month", 30 * 86_400_000],
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
] as const;

/** `2 minutes ago`, `in 3 hours`, `now`: the largest unit of which it is at least one, what is begun left out. */
export function humanAge(iso: string, nowMs: number): string {
  const agoMs = nowMs - new Date(iso).getTime();
  if (Number.isNaN(agoMs)) return iso;
  const unit = AGES.find(([, unitMs]) => Math.abs(agoMs) >= unitMs);
  if (unit === undefined) return "now";
  const count = Math.floor(Math.abs(agoMs) / unit[1]);
  const span = `${count} ${unit[0]}${count === 1 ? "" : "s"}`;
  return agoMs > 0 ? `${span} ago` : `in ${span}`;
}
