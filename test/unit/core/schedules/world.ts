/** The host with one guest on it, and schedules for it. */

import type { Schedule } from "../../../../src/core/model/state.ts";
import type { World } from "../../../../src/core/ports.ts";
import { createSchedule, type Launch, type NewSchedule } from "../../../../src/core/schedules/create.ts";
import { type Bed, command, stateOf, withGuest } from "../world.ts";

export const OTHERS = "MAILTO=ana\n5 4 * * * /usr/local/bin/mine 100\\%\n";
export const launch: Launch = {
  node: "/usr/bin/node",
  program: "/opt/estrato/bin/estrato",
  connect: "qemu:///system",
  environment: {},
};

export function wanted(change: Partial<NewSchedule> = {}): NewSchedule {
  return {
    name: "nightly",
    instance: "web1",
    cron: "0 3 * * *",
    task: { kind: "snapshot", quiesce: "off", memory: false, expireMs: null },
    retention: { rotation: 2 },
    zone: "UTC",
    jitterMs: 0,
    lockTimeoutMs: 1000,
    hooks: null,
    catchUp: true,
    ...change,
  };
}

export const create = (world: World, change: Partial<NewSchedule> = {}) =>
  createSchedule(world, wanted(change), launch) as Promise<Schedule>;

/** A guest, somebody's crontab, and with `change` a schedule. */
export async function prepared(change?: Partial<NewSchedule>): Promise<Bed> {
  const on = withGuest();
  on.machine.crontab = OTHERS;
  on.machine.folders.add("/fake/estrato"); // root's
  for (const path of [launch.node, launch.program]) command(on).host.addFile(path, { format: "raw", mode: 0o755 });
  if (change !== undefined) await create(command(on), change);
  return on;
}

/** Our lines of the crontab; throws where any other line is not as it was. */
export function ourLines(on: Bed): string[] {
  const text = on.machine.crontab ?? "";
  if (!text.startsWith(OTHERS)) throw new Error(`somebody else's lines were touched:\n${text}`);
  return text.slice(OTHERS.length).split("\n").slice(0, -1);
}

export async function schedulesOf(on: Bed): Promise<Schedule[]> {
  return Object.values((await stateOf(on)).schedules);
}
