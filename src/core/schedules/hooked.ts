/** The frame of hooks around what a schedule does. */
import { EstratoError } from "../../errors.ts";
import { wordsOf } from "../../system-answer.ts";
import type { Action } from "../model/action.ts";
import type { Schedule } from "../model/state.ts";
import type { PlanView } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { instanceNameOf } from "./find.ts";
import { hookAction, runHook } from "./hooks.ts";

/** What a hook said that failed where a failure only warns; null: nothing. */
export interface Hooked {
  readonly plan: PlanView | null;
  readonly warning: string | null;
}

type HookAction = Extract<Action, { do: "run-hook" }>;

/**
 * Runs the hook before, the work, and the hook after. Where the first fails and a failure aborts, the work is not
 * begun. The hook after runs whenever the one before was begun, whatever became of it and of the work: it undoes.
 * Throws the first failure that is no mere warning.
 */
export async function hooked(world: World, schedule: Schedule, work: () => Promise<PlanView | null>): Promise<Hooked> {
  const { hooks } = schedule;
  if (hooks === null) return { plan: await work(), warning: null };
  const instance = instanceNameOf(await world.store.read(), schedule);
  const make = (when: "before" | "after", path: string, result: Parameters<typeof hookAction>[5]) =>
    hookAction(world, schedule, instance, when, path, result) as HookAction;
  if (world.dryRun) return { plan: shown(world, hooks, make, await work()), warning: null };
  const warnings: string[] = [];
  let error =
    hooks.before === null ? null : await failureOf(() => runHook(world, make("before", hooks.before ?? "", null)));
  if (error !== null && hooks.failure === "warn") {
    warnings.push(text(error));
    error = null;
  }
  let plan: PlanView | null = null;
  error ??= await failureOf(async () => {
    plan = await work();
  });
  if (hooks.after !== null) {
    const path = hooks.after;
    const result =
      error === null
        ? { code: "done", message: "" }
        : { code: error instanceof EstratoError ? error.code : "failed", message: text(error) };
    // Who has interrupted us wants it undone all the more: main.ts says how long that may take.
    const undoing = world.signal.aborted ? { ...world, signal: new AbortController().signal } : world;
    const second = await failureOf(() => runHook(undoing, make("after", path, result)));
    if (second !== null && hooks.failure === "abort") error ??= second;
    else if (second !== null) warnings.push(text(second));
  }
  if (error !== null) throw error;
  return { plan, warning: warnings.length === 0 ? null : warnings.join("; ") };
}

function shown(
  world: World,
  { before, after }: NonNullable<Schedule["hooks"]>,
  make: (when: "before" | "after", path: string, result: null) => HookAction,
  plan: PlanView | null,
): PlanView {
  const step = (when: "before" | "after", path: string | null) =>
    path === null
      ? []
      : [{ title: `Run the hook ${when} it`, commands: world.host.commandsFor(make(when, path, null)) }];
  return {
    steps: [...step("before", before), ...(plan?.steps ?? []), ...step("after", after)],
    notes: plan?.notes ?? [],
    freesBytes: plan?.freesBytes ?? null,
  };
}

async function failureOf(work: () => Promise<void>): Promise<unknown> {
  try {
    await work();
    return null;
  } catch (error) {
    return error;
  }
}

function text(error: unknown): string {
  return wordsOf(error);
}
