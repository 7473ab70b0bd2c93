/** What goes on, in words: how much is done, how fast, how long it still takes; or what is waited for, until when. */
import { humanSize, humanSpan } from "../units.ts";
import { AMOUNT, FRACTION, object, orNull, TEXT } from "./output/shape.ts";
import { jsonText } from "./text.ts";

/** Figures of what goes on, as core tells them. */
export interface ProgressDetail {
  readonly totalBytes?: number;
  readonly waitedMs?: number;
  readonly timeoutMs?: number;
}

/** One look at it. */
export interface Progress {
  readonly title: string;
  /** 0 to 1; null where nobody knows. */
  readonly fraction: number | null;
  /** How far it was when it was first seen: who goes along with the work of another comes late. */
  readonly from: number;
  /** Since then. */
  readonly elapsedMs: number;
  readonly detail: ProgressDetail;
  readonly now: Date;
}

/** Before that a rate is a guess. */
const RATE_AFTER_MS = 1_000;

interface Rate {
  readonly bytesPerSecond: number | null;
  readonly secondsLeft: number | null;
}

function rateOf({ fraction, from, elapsedMs, detail }: Progress): Rate {
  if (fraction === null || fraction <= from || elapsedMs < RATE_AFTER_MS)
    return { bytesPerSecond: null, secondsLeft: null };
  const perSecond = ((fraction - from) * 1000) / elapsedMs;
  const { totalBytes } = detail;
  return {
    bytesPerSecond: totalBytes === undefined ? null : totalBytes * perSecond,
    secondsLeft: Math.ceil((1 - fraction) / perSecond),
  };
}

/** `135 MiB of 965 MiB  78 MiB/s  11 s left`, `14%  11 s left`, `12 s, until 06:45:10`; "" where there is nothing. */
export function progressWords(progress: Progress): string {
  const { fraction, detail, now } = progress;
  const { waitedMs, timeoutMs, totalBytes } = detail;
  if (waitedMs !== undefined && timeoutMs !== undefined) {
    const until = new Date(now.getTime() + timeoutMs - waitedMs);
    return `${seconds(waitedMs / 1000)}, until ${clockTime(until)}`;
  }
  if (fraction === null) return "";
  const { bytesPerSecond, secondsLeft } = rateOf(progress);
  return [
    totalBytes === undefined
      ? `${Math.floor(fraction * 100)}%`
      : `${humanSize(fraction * totalBytes)} of ${humanSize(totalBytes)}`,
    ...(bytesPerSecond === null ? [] : [`${humanSize(bytesPerSecond)}/s`]),
    ...(secondsLeft === null || fraction >= 1 ? [] : [`${seconds(secondsLeft)} left`]),
  ].join("  ");
}

/** What was done, once it is: `965 MiB in 12 s (80 MiB/s)`. */
export function summaryWords({ elapsedMs, from, detail: { totalBytes } }: Progress): string {
  const took = seconds(elapsedMs / 1000);
  if (totalBytes === undefined) return `done in ${took}`;
  const bytes = totalBytes * (1 - from);
  return `${humanSize(bytes)} in ${took} (${humanSize((bytes * 1000) / Math.max(1, elapsedMs))}/s)`;
}

/** What `progressJson` writes. */
export const PROGRESS_SHAPE = object({
  progress: object({
    title: TEXT,
    fraction: orNull(FRACTION),
    done_bytes: orNull(AMOUNT),
    total_bytes: orNull(AMOUNT),
    bytes_per_second: orNull(AMOUNT),
    seconds_left: orNull(AMOUNT),
    elapsed_seconds: FRACTION,
    timeout_seconds: orNull(FRACTION),
  }),
});

/** The same for programs: one JSON object. */
export function progressJson(progress: Progress): string {
  const { title, fraction, elapsedMs, detail } = progress;
  const { bytesPerSecond, secondsLeft } = rateOf(progress);
  const { totalBytes = null, waitedMs, timeoutMs } = detail;
  return jsonText({
    progress: {
      title,
      fraction,
      done_bytes: totalBytes === null || fraction === null ? null : Math.round(totalBytes * fraction),
      total_bytes: totalBytes,
      bytes_per_second: bytesPerSecond === null ? null : Math.round(bytesPerSecond),
      seconds_left: secondsLeft,
      elapsed_seconds: Math.round((waitedMs ?? elapsedMs) / 100) / 10,
      timeout_seconds: timeoutMs === undefined ? null : timeoutMs / 1000,
    },
  });
}

/** Whole ones: `11 s`, `2 min 5 s`, `1 h 4 min`. */
function seconds(count: number): string {
  const whole = Math.round(count);
  return whole === 0 ? "0 s" : humanSpan(whole * 1000);
}

/** `06:45:10`, in the zone of whoever reads. */
function clockTime(time: Date): string {
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map((n) => String(n).padStart(2, "0")).join(":");
}
