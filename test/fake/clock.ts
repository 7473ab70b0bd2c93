/** A clock that stands still until told, and ids that come in order. */
import type { Clock, Ids } from "../../src/core/ports.ts";
import { EstratoError } from "../../src/errors.ts";

export interface FakeClock extends Clock {
  /** Somebody sets it: no time passes. */
  set(time: string | Date): void;
  advance(ms: number): void;
  /** What was asked of sleep(), in order. */
  readonly slept: readonly number[];
}

/** Starts at `time`. sleep() returns at once, with the clock that much further. */
export function fakeClock(time: string | Date = "2025-01-01T00:00:00.000Z"): FakeClock {
  let nowMs = new Date(time).getTime();
  let elapsedMs = 0;
  const pass = (ms: number) => {
    nowMs += ms;
    elapsedMs += ms;
  };
  const slept: number[] = [];
  return {
    slept,
    now: () => new Date(nowMs),
    elapsedMs: () => elapsedMs,
    set(to) {
      nowMs = new Date(to).getTime();
    },
    advance: pass,
    async sleep(ms, signal) {
      if (signal?.aborted) throw new EstratoError("interrupted", "interrupted while waiting");
      slept.push(ms);
      pass(ms);
    },
  };
}

/**
 * vol-00000000000000001, vol-00000000000000002, …: well-formed, and one count for each prefix, for UUIDs and for MACs.
 * `first`: the first digit of each.
 */
export function fakeIds(first = "0"): Ids {
  const counts = new Map<string, number>();
  const count = (kind: string): number => {
    const next = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, next);
    return next;
  };
  const hex = (value: number, digits: number): string => first + value.toString(16).padStart(digits - 1, "0");
  return {
    next: (prefix) => `${prefix}-${hex(count(prefix), 17)}`,
    uuid: () => `00000000-0000-4000-8000-${hex(count("uuid"), 12)}`,
    mac: () => `52:54:00${hex(count("mac"), 6).replaceAll(/../g, ":$&")}`,
  };
}
