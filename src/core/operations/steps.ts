/** What a change is made of: steps, how they are performed, and how a plan shows them. */
import { EstratoError } from "../../errors.ts";
import { followingOf } from "../forwards/after-start.ts";
import { keepChange } from "../instances/kept-definition.ts";
import type { Action, CopySums } from "../model/action.ts";
import type { Command } from "../model/host.ts";
import type { HeldLocks, World } from "../ports.ts";

/**
 * One thing to do: host actions, or a run function (a change of the state, a comparison), or both, actions first; or
 * another operation, a child.
 */
export interface Step {
  /** Tells it from the others of its operation: recovery and tests go by it. */
  readonly id: string;
  /** For people. */
  readonly title: string;
  readonly actions?: readonly Action[];
  /** Sums of the copies that the actions make. */
  readonly sums?: CopySums;
  /** How much its one action moves, for people. */
  readonly bytes?: number;
  /** What `run` is about to perform itself, where the way depends on how it goes: for the plan that people see. */
  readonly shown?: readonly Action[];
  readonly run?: () => Promise<void>;
  /** `run` changes nothing but what is remembered: what is planned after it is planned as if it were done. */
  readonly remembers?: true;
  /**
   * Runs other operations through `within`: the children of this one. A plan shows the steps of its answer, a plan, in
   * the place of this.
   */
  readonly child?: (within: World) => Promise<unknown>;
}

/** What `--dry-run` shows. */
export interface PlanView {
  readonly steps: readonly {
    readonly title: string;
    /** Whom it concerns, where its title does not say it. */
    readonly of?: string;
    readonly commands: readonly Command[];
  }[];
  readonly notes: readonly string[];
  readonly freesBytes: number | null;
}

/** Is it the plan that a dry run answers with, and not what was made? */
export function isPlan(answer: unknown): answer is PlanView {
  return typeof answer === "object" && answer !== null && "steps" in answer && "freesBytes" in answer;
}

/**
 * The plan of some steps, in the words a person would type. What removes a file that is not there, or powers a domain
 * off that is off, and that no step before it touches, is left out: nothing would come of it. `of`: whom they concern.
 */
export async function planView(
  world: World,
  steps: readonly Step[],
  notes: readonly string[] = [],
  { of, before = [] }: { readonly of?: string | undefined; readonly before?: readonly Step[] } = {},
): Promise<PlanView> {
  const told = new Set(before.flatMap(toldActions).flatMap(namedIn));
  const shown: PlanView["steps"][number][] = [];
  for (const step of steps) {
    const commands: Command[] = [];
    for (const action of toldActions(step)) {
      const performed = (await isIdle(world, action, told)) ? [] : [action, ...(await followingOf(world, action))];
      for (const one of performed) commands.push(...world.host.commandsFor(one));
      for (const name of namedIn(action)) told.add(name);
    }
    const isOf = of !== undefined && !step.title.includes(of);
    // What would only act, and on nothing, is no step.
    const onlyActs = toldActions(step).length > 0 || (step.actions !== undefined && step.run === undefined);
    if (commands.length > 0 || !onlyActs) shown.push({ title: step.title, ...(isOf ? { of } : {}), commands });
  }
  return { steps: shown, notes, freesBytes: null };
}

function toldActions({ actions = [], shown = [] }: Step): Action[] {
  return [...actions, ...shown];
}

/** Paths and domains. */
function namedIn(action: Action): string[] {
  return Object.entries(action).flatMap(([key, value]: [string, unknown]) =>
    typeof value === "string" && (key === "domain" || value.startsWith("/")) ? [value] : [],
  );
}

async function isIdle(world: World, action: Action, told: ReadonlySet<string>): Promise<boolean> {
  if (action.do === "unlink") return !told.has(action.path) && (await world.host.fileInfo(action.path)) === null;
  if (action.do !== "destroy" || told.has(action.domain)) return false;
  return (await world.host.domainStatus(action.domain))?.live === null;
}

/** The answer where there is nothing to do: `result`, in a dry run an empty plan that says why. */
export function unchanged<Result>(world: World, result: Result, why?: string): Result | PlanView {
  return world.dryRun ? { steps: [], notes: why === undefined ? [] : [why], freesBytes: null } : result;
}

/**
 * Performs actions one after the other, with the locks handed down to the children. Right before each that reads what
 * somebody else owns, that is looked at once more, in recoveries too: throws "conflict" or "host" where it is no longer
 * what was borrowed. "integrity" where a file is gone that one needs.
 */
export async function perform(
  world: World,
  locks: HeldLocks,
  actions: readonly Action[],
  title: string | null = null,
  { sums, bytes }: Pick<Step, "sums" | "bytes"> = {},
): Promise<void> {
  const moved = bytes === undefined || bytes === 0 ? {} : { totalBytes: bytes };
  for (const action of actions) {
    await (await import("../sharing/read-again.ts")).recheckRead(world, action);
    const done = world.host.perform(action, {
      lockFds: locks.fds,
      // A copy loses nothing when it is cut; everything else in flight is let finish, unless it says that it may stop.
      ...(isCopy(action) || "mayStop" in action ? { signal: world.signal } : {}),
      ...(title === null ? {} : { onProgress: (fraction) => world.report.progress(title, fraction, moved) }),
      ...(title === null ? {} : { onBytes: tellBytes(world, title) }),
      ...(sums === undefined ? {} : { sums }),
      ...(world.report.detail === undefined ? {} : { onStall: (ms: number) => tellStall(world, ms) }),
    });
    await done.catch((error: unknown) => {
      throw removed(error) ?? error;
    });
    await keepChange(world, action);
    await perform(world, locks, await followingOf(world, action), title);
  }
}

function isCopy(action: Action): boolean {
  return action.do === "convert" || action.do === "convert-delta";
}

/** Whoever removed a file that an action still needs is told which, and that the work goes on once it is back. */
function removed(error: unknown): EstratoError | null {
  const { code, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (code !== "ENOENT" || path === undefined) return null;
  return new EstratoError("integrity", `${path}: it is not there, and is needed`, {
    hint: "Put it back where it was, from a copy or by mounting the disk that it lies on; then: estrato doctor --repair.",
    cause: error,
  });
}

function tellBytes(world: World, title: string) {
  return (done: number, total: number | null) =>
    world.report.progress(title, total === null ? null : done / total, total === null ? {} : { totalBytes: total });
}

function tellStall(world: World, ms: number): void {
  world.report.detail?.(`the guest stood still for ${Math.round(ms)} ms`);
}

/**
 * Performs a step (not one that is another operation) once more: for recoveries that go forward by the steps that were
 * left.
 */
export async function repeat(world: World, locks: HeldLocks, step: Step): Promise<void> {
  await perform(world, locks, step.actions ?? []);
  await step.run?.();
}

/**
 * Steps of which each is one change, whole or not there: they need no entry in the journal. Returns `result`; in a dry
 * run the plan, and nothing is changed.
 */
export async function runUnjournaled<Result>(
  world: World,
  locks: HeldLocks,
  steps: readonly Step[],
  result: Result,
): Promise<Result | PlanView> {
  if (world.dryRun) return planView(world, steps);
  for (const [index, step] of steps.entries()) {
    const event = { operation: "unjournaled", index, id: step.id, title: step.title };
    world.report.step({ ...event, phase: "before" });
    await perform(world, locks, step.actions ?? [], step.title);
    await step.run?.();
    world.report.step({ ...event, phase: "after" });
  }
  return result;
}
