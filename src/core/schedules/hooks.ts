/**
 * Programs of the user's that a schedule runs before and after its work, with a time limit and a rule for what a
 * failure means.
 */
import { isAbsolute } from "node:path";
import { EstratoError } from "../../errors.ts";
import { isRootsStore, whyInOtherHands } from "../hands.ts";
import type { Action } from "../model/action.ts";
import type { Schedule } from "../model/state.ts";
import type { World } from "../ports.ts";

export type Hooks = NonNullable<Schedule["hooks"]>;
type When = "before" | "after";

/** One before may bring the target, and one after take it away: between two runs it need not be there. */
export function mayBringTarget({ hooks }: Pick<Schedule, "hooks">): boolean {
  return hooks !== null && hooks.before !== null && hooks.after !== null;
}

const EXECUTABLE = 0o111;
const WRITABLE_BY_ALL = 0o002;
const STICKY = 0o1000;

/**
 * Throws "usage" where the path is not absolute, "not_found" where there is no file, "host" where it cannot be run, or
 * anybody could have put something else in its place. What root's cron runs must be root's, and in nobody else's hands
 * from the root folder on.
 */
export async function requireHook(world: World, path: string): Promise<void> {
  if (!isAbsolute(path)) {
    throw new EstratoError("usage", `hook ${path}: cron knows no folder to look for it in`, {
      hint: "Give its absolute path.",
    });
  }
  const file = await world.host.fileInfo(path);
  if (file === null)
    throw new EstratoError("not_found", `hook ${path}: there is no such file`, {
      hint: `Look at its path: ls -l ${path}.`,
    });
  const why = !file.isRegularFile
    ? "it is no regular file"
    : (file.mode & EXECUTABLE) === 0
      ? "it is not executable"
      : await inWhoseHands(world, path, file.mode);
  if (why === null) return;
  throw new EstratoError("host", `hook ${path}: ${why}`, {
    hint: "Mend its mode (chmod 755) or its owner, or those of its folders.",
  });
}

async function inWhoseHands(world: World, path: string, mode: number): Promise<string | null> {
  if (await isRootsStore(world)) return whyInOtherHands(world, path);
  if ((mode & WRITABLE_BY_ALL) !== 0) return "everybody may write it";
  const folder = await world.host.fileInfo(path.replace(/\/[^/]*$/, "") || "/");
  const isOpen = folder !== null && (folder.mode & WRITABLE_BY_ALL) !== 0 && (folder.mode & STICKY) === 0;
  return isOpen ? "everybody may write the folder that it is in" : null;
}

/**
 * The program that cron starts at night, and what runs it: in root's crontab they must be root's like the hooks. Null
 * where they are, or where they are not there.
 */
export async function whyUnsafeProgram(world: World, path: string): Promise<string | null> {
  return (await isRootsStore(world)) ? whyInOtherHands(world, path) : null;
}

/** What running one means, as an action. `result`: of the work, for what runs after it. */
export function hookAction(
  world: World,
  schedule: Schedule,
  instance: string,
  when: When,
  path: string,
  result: { readonly code: string; readonly message: string } | null,
): Action {
  const { task, hooks } = schedule;
  return {
    do: "run-hook",
    path,
    timeoutMs: hooks?.timeoutMs ?? 0,
    environment: {
      ESTRATO_HOME: world.store.paths.home,
      ESTRATO_HOOK: when,
      ESTRATO_SCHEDULE: schedule.name,
      ESTRATO_KIND: task.kind,
      ESTRATO_INSTANCE: instance,
      ESTRATO_INSTANCE_ID: schedule.instance,
      ...("target" in task ? { ESTRATO_TARGET: task.target } : {}),
      ...(result === null ? {} : { ESTRATO_RESULT: result.code, ESTRATO_MESSAGE: result.message }),
    },
  };
}

/**
 * Checks it once more, since its creation may be long ago, and runs it. Throws "failed" or "timeout", naming the hook.
 */
export async function runHook(world: World, action: Extract<Action, { do: "run-hook" }>): Promise<void> {
  await requireHook(world, action.path);
  await world.host.perform(action, { signal: world.signal });
}
