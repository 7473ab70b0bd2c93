/** `event list --follow`: what was done, a line each, and what comes. */
import type { EventView } from "../../core/events.ts";
import type { Clock } from "../../core/ports.ts";
import { type Streams, writeOut } from "../../ui/streams.ts";
import { jsonText, printable } from "../../ui/text.ts";
import { humanSpan, humanTime } from "../../units.ts";

export interface Follower {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly stdout: Streams["stdout"];
  readonly isJson: boolean;
  readonly fits: (event: EventView) => boolean;
}

const EVERY_MS = 1000;

/**
 * Writes `shown`, then all that `next` has more than `known` and that fits, until the signal, or until nobody reads on:
 * both end it well.
 */
export async function following(
  { clock, signal, stdout, isJson, fits }: Follower,
  known: readonly EventView[],
  shown: readonly EventView[],
  next: () => Promise<readonly EventView[]>,
): Promise<void> {
  const write = (events: readonly EventView[]) =>
    writeOut(stdout, events.map((event) => `${isJson ? jsonText(event) : lineOf(event)}\n`).join(""));
  let isRead = await write(shown);
  let last = known;
  while (isRead && !signal.aborted) {
    try {
      await clock.sleep(EVERY_MS, signal);
    } catch {
      return; // Ctrl-C: there is nothing to undo
    }
    const now = await next();
    // The log may have been put aside in between: what is new stands behind the last one that is known.
    const end = last.at(-1);
    const at = end === undefined ? -1 : now.findLastIndex((one) => keyOf(one) === keyOf(end));
    isRead = await write(now.slice(at + 1).filter(fits));
    last = now;
  }
}

/** Merges are counted after the event that they belong to was written: they make no other one of it. */
function keyOf({ time, operation, target, command }: EventView): string {
  return JSON.stringify([time, operation, target, command]);
}

function lineOf({ time, operation, target, result, user, duration_ms: tookMs, message }: EventView): string {
  const took = tookMs === undefined ? "" : humanSpan(tookMs);
  const why = message === undefined ? "" : `  ${message}`;
  const cells = [
    humanTime(time),
    operation.padEnd(16),
    (target ?? "").padEnd(14),
    result.padEnd(9),
    took.padEnd(7),
    user,
  ];
  return printable(`${cells.join("  ")}${why}`).trimEnd();
}
