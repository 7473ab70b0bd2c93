/**
 * Compares the schedules with the crontab: each has its lines there, and no line of ours calls what is not remembered.
 */
import { EstratoError } from "../../errors.ts";
import { wordsOf } from "../../system-answer.ts";
import { nameOfTarget, requireTarget } from "../backups/targets/identity.ts";
import type { Crontab } from "../model/host.ts";
import type { Schedule, State } from "../model/state.ts";
import { perform } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { setLines, storeWords } from "../schedules/create.ts";
import { CRONTAB_LOCK, markOf } from "../schedules/find.ts";
import { mayBringTarget } from "../schedules/hooks.ts";
import { obstaclesOf } from "../schedules/obstacles.ts";
import { type Finding, unmendable } from "./finding.ts";

export async function examineSchedules(world: World, state: State): Promise<Finding[]> {
  const schedules = Object.values(state.schedules);
  let crontab: Crontab;
  try {
    crontab = await world.host.crontab();
  } catch (error) {
    if (schedules.length === 0) return []; // a machine without cron
    const why = wordsOf(error);
    return [
      unmendable("crontab", `it cannot be read, and ${schedules.length} schedules need it: ${why}`, "Install cron."),
    ];
  }
  const lines = crontab.text.split("\n");
  const forgotten = schedules.filter(({ instance }) => state.instances[instance] === undefined);
  const domains = new Set(forgotten.length === 0 ? [] : (await world.host.listDomains()).map(({ uuid }) => uuid));
  const ours = storeWords(world, crontab.file);
  const strays = new Set<string>();
  for (const line of lines) {
    const id = / # estrato:(sch-[0-9a-f]{17})$/.exec(line)?.[1];
    if (id !== undefined && line.includes(ours) && state.schedules[id] === undefined) strays.add(id);
  }
  return [
    ...forgotten.filter(({ instance }) => !domains.has(instance)).map(orphan),
    ...schedules.flatMap((schedule) => examineOne(schedule, crontab, lines)),
    ...(await inTheWay(world, state, schedules)),
    ...[...strays].map((id) => stray(id, crontab)),
  ];
}

function examineOne(schedule: Schedule, { file }: Crontab, lines: readonly string[]): Finding[] {
  const { id, name } = schedule;
  const found = lines.filter((line) => line.endsWith(` # ${markOf(id)}`));
  if (found.length === schedule.lines.length && schedule.lines.every((line) => found.includes(line))) return [];
  const where = file ?? "the crontab";
  return [
    {
      subject: `schedule ${name}`,
      problem:
        found.length === 0
          ? `its line is not in ${where}: it never runs`
          : `its lines in ${where} are not those recorded`,
      remedy: "Write its lines again.",
      mending: {
        locks: [CRONTAB_LOCK, id],
        loses: [],
        mend: async (w, locks) => {
          const now = (await w.store.read()).schedules[id];
          if (now !== undefined) await perform(w, locks, [setLines(file, id, now.lines)]);
        },
      },
    },
  ];
}

/** What a schedule needs at its times, and that is not there now: its program, its hooks, its target. */
async function inTheWay(world: World, state: State, schedules: readonly Schedule[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const schedule of schedules) {
    const subject = `schedule ${schedule.name}`;
    const found = await obstaclesOf(world, schedule);
    findings.push(...found.map(({ problem, remedy }) => unmendable(subject, problem, remedy)));
    if (schedule.task.kind !== "backup" || mayBringTarget(schedule)) continue;
    const { target } = schedule.task;
    try {
      await requireTarget(world, state, await nameOfTarget(world, target));
    } catch (error) {
      if (!(error instanceof EstratoError)) throw error;
      findings.push(unmendable(subject, `its target: ${error.message}`, `Bring ${target} back, or make it anew.`));
    }
  }
  return findings;
}

/** Of a guest that estrato had not adopted, and that somebody else deleted. */
function orphan({ name, instanceName }: Schedule): Finding {
  return unmendable(
    `schedule ${name}`,
    `its instance ${instanceName} is not there any more: each of its runs fails`,
    `Delete it: estrato schedule delete ${name}.`,
  );
}

function stray(id: string, { file }: Crontab): Finding {
  return {
    subject: file ?? "the crontab",
    problem: `a line calls schedule ${id}, which is not remembered`,
    remedy: "Remove the line.",
    mending: {
      locks: [CRONTAB_LOCK, id],
      loses: [],
      mend: async (w, locks) => {
        if ((await w.store.read()).schedules[id] === undefined) await perform(w, locks, [setLines(file, id, [])]);
      },
    },
  };
}
