/** `schedule create`: a record, and the lines of the crontab that say when. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { checkPolicy, type RetentionPolicy } from "../backups/retention.ts";
import { slotsOf } from "../backups/slots.ts";
import { lookUpInstance } from "../instances/find.ts";
import type { Action } from "../model/action.ts";
import type { Schedule } from "../model/state.ts";
import { recordSchemas } from "../model/state.ts";
import { requireFree, requireName } from "../names.ts";
import { run } from "../operations/operation.ts";
import { type PlanView, perform, type Step } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { parseCron } from "./cron-time.ts";
import { CRONTAB_LOCK, markOf } from "./find.ts";
import { type Hooks, requireHook, whyUnsafeProgram } from "./hooks.ts";

export interface NewSchedule {
  readonly name: string;
  readonly instance: string;
  readonly cron: string;
  readonly task: Schedule["task"];
  readonly retention: RetentionPolicy | null;
  readonly zone: string;
  readonly jitterMs: number;
  readonly lockTimeoutMs: number;
  readonly hooks: Hooks | null;
  readonly catchUp: boolean;
}

/** How cron starts this program: cron knows neither our folder nor our environment. */
export interface Launch {
  readonly node: string; // absolute
  readonly program: string; // absolute
  readonly connect: string; // the libvirt URI
  readonly environment: Readonly<Record<string, string>>;
}

interface CreateData {
  readonly schedule: Schedule;
  readonly file: string | null;
}

export const createScheduleKind: Kind<CreateData> = {
  name: "schedule.create",
  forQemu: () => true,
  version: 2,
  data: v.object({ schedule: recordSchemas.schedule, file: v.nullable(v.string()) }),
  older: { 1: withoutVerify },
  recover: recoverCreateSchedule,
};

/**
 * Records a schedule and writes its lines into the crontab. Afterwards cron calls `schedule run` at its times.
 * Throws "usage", "not_found" for the instance, "conflict" where the name is taken, "host" where there is no crontab.
 */
export async function createSchedule(world: World, wanted: NewSchedule, launch: Launch): Promise<Schedule | PlanView> {
  requireName("schedule", wanted.name);
  const cron = parseCron(wanted.cron, world.clock.now());
  requireRetention(wanted);
  if (wanted.task.kind === "backup") requireName("backup type", wanted.task.type);
  for (const path of [wanted.hooks?.before, wanted.hooks?.after]) if (path != null) await requireHook(world, path);
  for (const path of [launch.node, launch.program]) await requireSafeProgram(world, path);
  const { status, record } = await lookUpInstance(world, wanted.instance);
  return withLocks(world, [CRONTAB_LOCK], async (locks) => {
    const taken = Object.values((await world.store.read()).schedules).map(({ name }) => name);
    requireFree("schedule", wanted.name, taken);
    const { file } = await world.host.crontab();
    const id = world.ids.next("sch");
    const schedule: Schedule = {
      id,
      name: wanted.name,
      instance: status?.uuid ?? record?.id ?? wanted.instance,
      instanceName: status?.name ?? record?.name ?? wanted.instance,
      cron,
      task: wanted.task,
      retention: wanted.retention,
      zone: wanted.zone,
      jitterMs: wanted.jitterMs,
      lockTimeoutMs: wanted.lockTimeoutMs,
      hooks: wanted.hooks,
      catchUp: wanted.catchUp,
      lines: linesOf(world, file, id, cron, wanted.catchUp, launch),
      last: null,
      lastGoodAt: null,
      owner: world.user,
      createdAt: world.clock.now().toISOString(),
    };
    const steps: Step[] = [
      { id: "record-schedule", title: "Record the schedule", run: () => recordSchedule(world, schedule) },
      {
        id: "write-lines",
        title: `Write its lines into ${file ?? "the crontab"}`,
        actions: [setLines(file, id, schedule.lines)],
      },
    ];
    return run<CreateData, Schedule>(world, locks, {
      kind: createScheduleKind,
      target: wanted.name,
      data: { schedule, file },
      steps,
      notes: schedule.lines,
      result: async () => schedule,
    });
  });
}

/** root's cron starts nothing that others could have put there. */
async function requireSafeProgram(world: World, path: string): Promise<void> {
  const why = await whyUnsafeProgram(world, path);
  if (why === null) return;
  throw new EstratoError("host", `${path}, which root's cron would start: ${why}`, {
    hint: "Install estrato where root alone writes, such as /usr/local, and make the schedule with that.",
  });
}

/**
 * What nothing removes would fill the disk, or come to the longest chain that the host can start, and then fail each
 * night.
 */
function requireRetention({ name, task, retention, zone }: NewSchedule): void {
  slotsOf(0, zone);
  if (retention !== null) {
    checkPolicy(retention);
    return;
  }
  if (task.kind === "snapshot" && task.expireMs !== null) return;
  const expire = task.kind === "snapshot" ? "--expire 7d, " : "";
  throw new EstratoError("usage", `schedule ${name}: nothing would ever remove its ${task.kind}s`, {
    hint: `Give ${expire}--rotation 7, or rules such as --keep-daily 7.`,
  });
}

function linesOf(
  world: World,
  file: string | null,
  id: string,
  cron: string,
  catchUp: boolean,
  { node, program, connect, environment }: Launch,
): string[] {
  const line = (when: string, more: readonly string[]) => {
    const store = ["--store", world.store.paths.home, "--connect", connect];
    const args = [program, "schedule", "run", id, "--jitter", ...more, "--quiet", ...store];
    return world.host.cronLine(file, { when, environment, command: { program: node, args }, mark: markOf(id) });
  };
  return [line(cron, []), ...(catchUp ? [line("@reboot", ["--catch-up"])] : [])];
}

/** How each of our lines names this store: another store's lines stand in the same crontab. */
export function storeWords(world: World, file: string | null): string {
  const command = { program: "--store", args: [world.store.paths.home] };
  const line = world.host.cronLine(file, { when: "*", environment: {}, command, mark: "" });
  return `${/--store .*(?= # $)/.exec(line)?.[0]} --connect `;
}

export function setLines(file: string | null, id: string, lines: readonly string[]): Action {
  return { do: "set-crontab", file, mark: markOf(id), lines };
}

async function recordSchedule(world: World, schedule: Schedule): Promise<void> {
  await world.store.update((draft) => {
    draft.schedules[schedule.id] = structuredClone(schedule);
  });
}

/** Until version 2 of the data nothing that a schedule takes was looked at afterwards. */
function withoutVerify(data: unknown): unknown {
  const { schedule, ...rest } = data as { readonly schedule: { readonly task: { readonly kind: string } } };
  const { task } = schedule;
  return { ...rest, schedule: { ...schedule, task: task.kind === "backup" ? { verify: null, ...task } : task } };
}

/** Forward where record and lines are there; else neither is, afterwards. */
async function recoverCreateSchedule(world: World, locks: HeldLocks, { schedule, file }: CreateData): Promise<Outcome> {
  const found = (await world.host.crontab()).text.split("\n");
  const isRecorded = (await world.store.read()).schedules[schedule.id] !== undefined;
  if (isRecorded && schedule.lines.every((line) => found.includes(line))) return "forward";
  if (found.some((line) => line.endsWith(`# ${markOf(schedule.id)}`)))
    await perform(world, locks, [setLines(file, schedule.id, [])]);
  await world.store.update((draft) => {
    delete draft.schedules[schedule.id];
  });
  return "back";
}
