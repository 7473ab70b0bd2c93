/**
 * How every change is made: journal, then act, then record (DESIGN.md, invariant 2). An operation is a value: a kind,
 * what the journal remembers of it, an ordered list of steps. `run` plans it, journals it, performs it, and ends it
 * where it failed.
 */
import { EstratoError } from "../../errors.ts";
import type { Action, EarlySums } from "../model/action.ts";
import type { Command } from "../model/host.ts";
import type { JournalEntry } from "../model/journal.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { childrenOf, closeEntry, openEntry, openedEntry } from "./entries.ts";
import { endEntry } from "./recovery.ts";

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
  readonly sums?: EarlySums;
  /** What `run` is about to perform itself, where the way depends on how it goes: for the plan that people see. */
  readonly shown?: readonly Action[];
  readonly run?: () => Promise<void>;
  /**
   * Runs other operations through `within`: the children of this one. A plan shows the steps of its answer, a plan, in
   * the place of this.
   */
  readonly child?: (within: World) => Promise<unknown>;
}

/** A change about to be made. */
export interface Operation<Data, Result> {
  /** op-…; made here where the data must name it. */
  readonly id?: string;
  readonly kind: Kind<Data>;
  /** Whom it concerns, for the log of operations: web1, web1/before-upgrade. */
  readonly target?: string;
  readonly data: Data;
  readonly steps: readonly Step[];
  /** What precedes the entry in the journal, once all that can refuse has been asked. Not in a dry run. */
  readonly begin?: () => Promise<void>;
  /** What a plan says besides its steps. */
  readonly notes?: readonly string[];
  /** What follows when it is done, by itself: for the plan. */
  readonly follows?: () => Promise<Following>;
  /** What it made, once it is done. */
  readonly result: () => Promise<Result>;
}

/** What comes after an operation. */
export interface Following {
  readonly steps: readonly Step[];
  readonly notes: readonly string[];
  readonly bytes: number | null; // that it frees; null: it is not there to free any
}

/** What `--dry-run` shows. */
export interface PlanView {
  readonly steps: readonly { readonly title: string; readonly commands: readonly Command[] }[];
  readonly notes: readonly string[];
  readonly freesBytes: number | null;
}

/** Is it the plan that a dry run answers with, and not what was made? */
export function isPlan(answer: unknown): answer is PlanView {
  return typeof answer === "object" && answer !== null && "steps" in answer && "freesBytes" in answer;
}

/** The plan of some steps, in the words a person would type. */
export function planView(
  world: World,
  steps: readonly Step[],
  notes: readonly string[] = [],
  freesBytes: number | null = null,
): PlanView {
  return {
    steps: steps.map((step) => ({
      title: step.title,
      commands: [...(step.actions ?? []), ...(step.shown ?? [])].flatMap((action) => world.host.commandsFor(action)),
    })),
    notes,
    freesBytes,
  };
}

/** Performs actions one after the other, with the locks handed down to the children. */
export async function perform(
  world: World,
  locks: HeldLocks,
  actions: readonly Action[],
  title: string | null = null,
  sums?: EarlySums,
): Promise<void> {
  for (const action of actions) {
    await world.host.perform(action, {
      lockFds: locks.fds,
      // A copy loses nothing when it is cut; everything else in flight is let finish, unless it says that it may stop.
      ...(action.do === "convert" || "mayStop" in action ? { signal: world.signal } : {}),
      ...(title === null ? {} : { onProgress: (fraction: number) => world.report.progress(title, fraction) }),
      ...(sums === undefined ? {} : { sums }),
      ...(world.report.detail === undefined ? {} : { onStall: (ms: number) => tellStall(world, ms) }),
    });
  }
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
 * Runs an operation under locks that the caller holds, and returns what it made; in a dry run its plan, and nothing is
 * changed. Afterwards it is done and recorded, or, where it threw, undone or finished by the same code that a crash
 * would call; only where that fails too does the journal entry stay, for the next command. A child's entry is closed
 * before its parent's, whichever way both end.
 */
export async function run<Data, Result>(
  world: World,
  locks: HeldLocks,
  operation: Operation<Data, Result>,
): Promise<Result | PlanView> {
  if (world.dryRun) return planOf(world, operation);
  await operation.begin?.();
  const entry: JournalEntry = {
    id: operation.id ?? world.ids.next("op"),
    kind: operation.kind.name,
    version: operation.kind.version,
    parent: world.parent ?? null,
    locks: [...locks.names],
    createdAt: world.clock.now().toISOString(),
    command: world.command,
    data: operation.data,
  };
  await openEntry(world, entry);
  try {
    await runSteps(world, locks, operation, entry.id);
    await closeEntry(world, entry);
  } catch (error) {
    await unwind(world, locks, operation, entry, error);
    await log(world, operation, error instanceof EstratoError ? error.code : "failed");
    throw error;
  }
  await log(world, operation, "done");
  return operation.result();
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
  for (const step of steps) {
    await perform(world, locks, step.actions ?? [], step.title);
    await step.run?.();
  }
  return result;
}

/** The answer where there is nothing to do: `result`, in a dry run an empty plan that says why. */
export function unchanged<Result>(world: World, result: Result, why?: string): Result | PlanView {
  return world.dryRun ? planView(world, [], why === undefined ? [] : [why]) : result;
}

async function planOf<Data, Result>(world: World, operation: Operation<Data, Result>): Promise<PlanView> {
  const [steps, notes] = [[] as PlanView["steps"][number][], [] as string[]];
  for (const step of operation.steps) {
    const inner = step.child === undefined ? null : await step.child(world);
    const { steps: some, notes: said } = isPlan(inner) ? inner : planView(world, [step]);
    steps.push(...some);
    notes.push(...said);
  }
  notes.push(...(operation.notes ?? []));
  if (operation.follows === undefined) return { steps, notes, freesBytes: null };
  const after = await operation.follows();
  return {
    steps: [...steps, ...planView(world, after.steps).steps],
    notes: [...notes, ...after.notes],
    freesBytes: after.bytes,
  };
}

/** For people (`event list`): a log that cannot be written stops nothing. */
async function log<Data, Result>(
  world: World,
  { kind, target }: Operation<Data, Result>,
  result: string,
): Promise<void> {
  const event = {
    time: world.clock.now().toISOString(),
    command: world.command,
    operation: kind.name,
    target: target ?? null,
    result,
    user: world.user,
  };
  await world.store.events.append(event).catch(() => undefined);
}

async function runSteps<Data, Result>(
  world: World,
  locks: HeldLocks,
  { kind, steps }: Operation<Data, Result>,
  id: string,
): Promise<void> {
  const within: World = { ...world, parent: id };
  let index = 0;
  const around = async ({ id, title }: Step, work: () => Promise<unknown>) => {
    if (world.signal.aborted) throw new EstratoError("interrupted", `${kind.name}: interrupted before "${title}"`);
    world.report.step({ operation: kind.name, index, id, title, phase: "before" });
    await work();
    world.report.step({ operation: kind.name, index, id, title, phase: "after" });
    index += 1;
  };
  for (const step of steps) {
    for (const action of step.actions ?? [])
      await around(step, () => perform(world, locks, [action], step.title, step.sums));
    if (step.run !== undefined) await around(step, step.run);
    const { child } = step;
    if (child !== undefined) await around(step, () => child(within));
  }
}

const INTERRUPTED: Readonly<Record<Outcome, string>> = {
  back: "undone, nothing has changed",
  forward: "what was in flight has been finished",
  halfway: "what was in flight has been ended half-way",
};

async function unwind<Data, Result>(
  world: World,
  locks: HeldLocks,
  { kind, data }: Operation<Data, Result>,
  entry: JournalEntry,
  error: unknown,
): Promise<void> {
  try {
    for (const child of await childrenOf(world, entry)) await endEntry(world, locks, child);
    const end = kind.fail ?? kind.recover;
    const outcome = await end(world, locks, data, openedEntry(world, kind, entry));
    await closeEntry(world, entry);
    if (error instanceof EstratoError && error.code === "interrupted") {
      world.report.note(`interrupted: ${INTERRUPTED[outcome]}`);
    }
  } catch (second) {
    const why = second instanceof Error ? second.message : String(second);
    world.report.note(`could not be undone now (${why}); the next command or "estrato doctor --repair" will try again`);
  }
}
