/** What has moved or gone since a schedule was made, and keeps cron from what it is to do: better told by day. */
import { EstratoError } from "../../errors.ts";
import type { Schedule } from "../model/state.ts";
import type { World } from "../ports.ts";
import { requireHook, whyUnsafeProgram } from "./hooks.ts";

export interface ScheduleObstacle {
  /** A sentence without its full stop. */
  readonly problem: string;
  readonly remedy: string;
  /** Does it keep anything from being taken? */
  readonly stops: boolean;
}

/** Reads only. Where its target is, is asked of the target. */
export async function obstaclesOf(world: World, schedule: Schedule): Promise<ScheduleObstacle[]> {
  const { lines, hooks, id } = schedule;
  const found: ScheduleObstacle[] = [];
  for (const path of new Set(lines.flatMap((line) => programsIn(line, id)))) {
    if ((await world.host.fileInfo(path))?.isRegularFile) {
      const why = await whyUnsafeProgram(world, path);
      const unsafe = "Mend the owner or the mode, or make the schedule anew with a program that is root's alone.";
      if (why !== null) found.push({ problem: `its line starts ${path}, and ${why}`, remedy: unsafe, stops: false });
      continue;
    }
    const remedy = "Put it back there, or delete the schedule and make it anew with the program that is there now.";
    found.push({ problem: `its line starts ${path}, which is not there: it never runs`, remedy, stops: true });
  }
  for (const path of [hooks?.before, hooks?.after]) {
    const why = path == null ? null : await faultOf(world, path);
    if (why === null) continue;
    const remedy = "Put it back as it was, or delete the schedule and make it anew.";
    found.push({ problem: why, remedy, stops: hooks?.failure === "abort" && path === hooks.before });
  }
  return found;
}

async function faultOf(world: World, path: string): Promise<string | null> {
  try {
    await requireHook(world, path);
    return null;
  } catch (error) {
    if (error instanceof EstratoError) return error.message;
    throw error;
  }
}

/** What a line of ours starts: the interpreter and the program, the two words before `schedule run ID`. */
function programsIn(line: string, id: string): string[] {
  const [before, rest] = line.split(` schedule run ${id} `);
  if (before === undefined || rest === undefined) return [];
  const words = before.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? [];
  return words.slice(-2).map((word) => word.replace(/'([^']*)'|"([^"]*)"/g, "$1$2").replaceAll("\\%", "%"));
}
