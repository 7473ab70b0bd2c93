/** `event list`: what was done, with the merges folded into what left them to be done. */
import type { OperationEvent } from "./model/journal.ts";

export interface EventView extends OperationEvent {
  /** How many layers were merged for it. */
  readonly merges: number;
}

export interface EventFilter {
  /** What it was done to: one of these, or what is of it (INSTANCE/NAME). */
  readonly targets: readonly string[] | null;
  readonly since: Date | null;
  /** Merges too, each by itself. */
  readonly all: boolean;
}

const MERGE = "layer.merge";

/** In the order of the log. */
export function eventViews(events: readonly OperationEvent[], { targets, since, all }: EventFilter): EventView[] {
  const merges = new Map<string, number>();
  const causes = new Set<string>();
  for (const { operation, run } of events) {
    if (run === undefined) continue;
    if (operation === MERGE) merges.set(run, (merges.get(run) ?? 0) + 1);
    else causes.add(run);
  }
  const views: EventView[] = [];
  for (const event of events) {
    const { operation, run, time } = event;
    const isFolded = operation === MERGE && run !== undefined && causes.has(run);
    if ((isFolded && !all) || (since !== null && Date.parse(time) < since.getTime())) continue;
    const { target } = event;
    if (targets !== null && !targets.some((one) => target === one || target?.startsWith(`${one}/`))) continue;
    views.push({ ...event, merges: (run !== undefined && operation !== MERGE && merges.get(run)) || 0 });
    if (run !== undefined && operation !== MERGE) merges.delete(run); // counted once
  }
  return views;
}
