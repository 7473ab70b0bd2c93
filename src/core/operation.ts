/**
 * How every change is made: journal, then act, then record (DESIGN.md, invariant 2).
 * An operation is data (its kind, its locks, what recovery needs) and an ordered list of steps; the same list answers `--dry-run`.
 */
import { EstratoError } from "../errors.ts";
import type { Action, EarlySums } from "./model/action.ts";
import type { Command } from "./model/host.ts";
import type { JournalEntry } from "./model/journal.ts";
import type { HeldLocks, World } from "./ports.ts";

/** One thing to do: host actions, or a run function (a change of the state, a comparison), or both, actions first. */
export interface Step {
  readonly title: string;
  readonly actions?: readonly Action[];
  /** Sums of the copies that the actions make. */
  readonly sums?: EarlySums;
  /** What `run` is about to perform itself, where the way depends on how it goes: for the plan that people see. */
  readonly shown?: readonly Action[];
  readonly run?: () => Promise<void>;
}

/** A change about to be made. */
export interface Operation<Data> {
  /** op-…; made here where the data must name it. */
  readonly id?: string;
  readonly kind: string;
  /** Whom it concerns, for the log of operations: web1, web1/before-upgrade. */
  readonly target?: string;
  readonly data: Data;
  readonly steps: readonly Step[];
}

/** What `--dry-run` shows. */
export interface PlanView {
  readonly steps: readonly { readonly title: string; readonly commands: readonly Command[] }[];
  readonly notes: readonly string[];
  readonly freesBytes: number | null;
}

/** What recovery did with an operation that had not ended: finished it, undid it, or left it half-way, where all is as right as at either end. */
export type Outcome = "forward" | "back" | "halfway";

/** Ends or undoes what a journal entry began, looking at the world as it is. Must be repeatable. */
export type Recover = (world: World, locks: HeldLocks, entry: JournalEntry) => Promise<Outcome>;

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
 * Runs an operation under locks that the caller holds.
 * Afterwards it is done and recorded, or, where it threw, undone or finished by the same code that a crash would call;
 * only where that fails too does the journal entry stay, for the next command.
 */
export async function execute<Data>(
  world: World,
  locks: HeldLocks,
  operation: Operation<Data>,
  recover: Recover,
): Promise<void> {
  const entry: JournalEntry = {
    id: operation.id ?? world.ids.next("op"),
    kind: operation.kind,
    locks: [...locks.names],
    createdAt: world.clock.now().toISOString(),
    command: world.command,
    data: operation.data,
  };
  await world.store.journal.open(entry);
  try {
    await runSteps(world, locks, operation);
  } catch (error) {
    await unwind(world, locks, entry, recover, error);
    await log(world, operation, error instanceof EstratoError ? error.code : "failed");
    throw error;
  }
  await world.store.journal.close(entry.id);
  await log(world, operation, "done");
}

/** For people (`event list`): a log that cannot be written stops nothing. */
async function log<Data>(world: World, { kind, target }: Operation<Data>, result: string): Promise<void> {
  const event = {
    time: world.clock.now().toISOString(),
    command: world.command,
    operation: kind,
    target: target ?? null,
    result,
    user: world.user,
  };
  await world.store.events.append(event).catch(() => undefined);
}

async function runSteps<Data>(world: World, locks: HeldLocks, operation: Operation<Data>): Promise<void> {
  let index = 0;
  const around = async (title: string, work: () => Promise<void>) => {
    if (world.signal.aborted) throw new EstratoError("interrupted", `${operation.kind}: interrupted before "${title}"`);
    world.report.step({ operation: operation.kind, index, title, phase: "before" });
    await work();
    world.report.step({ operation: operation.kind, index, title, phase: "after" });
    index += 1;
  };
  for (const step of operation.steps) {
    for (const action of step.actions ?? [])
      await around(step.title, () => perform(world, locks, [action], step.title, step.sums));
    if (step.run !== undefined) await around(step.title, step.run);
  }
}

const INTERRUPTED: Readonly<Record<Outcome, string>> = {
  back: "undone, nothing has changed",
  forward: "what was in flight has been finished",
  halfway: "what was in flight has been ended half-way",
};

async function unwind(
  world: World,
  locks: HeldLocks,
  entry: JournalEntry,
  recover: Recover,
  error: unknown,
): Promise<void> {
  try {
    const outcome = await recover(world, locks, entry);
    await world.store.journal.close(entry.id);
    if (error instanceof EstratoError && error.code === "interrupted") {
      world.report.note(`interrupted: ${INTERRUPTED[outcome]}`);
    }
  } catch (second) {
    const why = second instanceof Error ? second.message : String(second);
    world.report.note(`could not be undone now (${why}); the next command or "estrato doctor --repair" will try again`);
  }
}
