/** Schedules as they are remembered, found by what people type. */
import { compareNames } from "../../order.ts";
import type { Schedule, State } from "../model/state.ts";
import { find } from "../names.ts";

/** By id or name. Throws "not_found". */
export function findSchedule(state: State, target: string): Schedule {
  return find(
    { kind: "schedule", items: Object.values(state.schedules), id: ({ id }) => id, name: ({ name }) => name },
    target,
  );
}

/** Those of an instance, by name. */
export function schedulesOf(state: State, instance: string): Schedule[] {
  return Object.values(state.schedules)
    .filter((one) => one.instance === instance)
    .sort((a, b) => compareNames(a.name, b.name));
}

/** All that make or unmake lines of the crontab wait for each other. */
export const CRONTAB_LOCK = "crontab";

/** What our lines of the crontab end in: tells them from everybody else's. */
export function markOf(id: string): string {
  return `estrato:${id}`;
}

/** What the instance is called now. */
export function instanceNameOf(state: State, schedule: Pick<Schedule, "instance" | "instanceName">): string {
  return state.instances[schedule.instance]?.name ?? schedule.instanceName;
}
