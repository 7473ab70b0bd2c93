/**
 * How every change is made: journal, then act, then record (DESIGN.md, invariant 2). An operation is a value: a kind,
 * what the journal remembers of it, an ordered list of steps. `run` plans it, journals it, performs it, and ends it
 * where it failed.
 */

import { EstratoError, NoAnswer, whileDoing } from "../../errors.ts";
import { wordsOf } from "../../system-answer.ts";
import type { JournalEntry } from "../model/journal.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { requireQemuMayEnter } from "../qemu-access.ts";
import { childrenOf, closeEntry, openEntry, openedEntry } from "./entries.ts";
import { endEntry } from "./recovery.ts";
import { isPlan, type PlanView, perform, planView, type Step } from "./steps.ts";

/** A change about to be made. */
export interface Operation<Data, Result> {
  /** op-…; made here where the data must name it. */
  readonly id?: string;
  readonly kind: Kind<Data>;
  /** Whom it concerns, for the log of operations: web1, web1/before-upgrade. */
  readonly target: string;
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
  if (operation.kind.forQemu?.(operation.data) === true) await requireQemuMayEnter(world);
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
    await log(world, operation, entry, error);
    throw error;
  }
  await log(world, operation, entry, null);
  return operation.result();
}

async function planOf<Data, Result>(world: World, operation: Operation<Data, Result>): Promise<PlanView> {
  const [steps, notes] = [[] as PlanView["steps"][number][], [] as string[]];
  const of = operation.target;
  for (const [at, step] of operation.steps.entries()) {
    const inner = step.child === undefined ? null : await step.child(world);
    const before = operation.steps.slice(0, at);
    const { steps: some, notes: said } = isPlan(inner) ? inner : await planView(world, [step], [], { of, before });
    steps.push(...some);
    notes.push(...said);
    if (world.rehearsal === true && step.remembers === true) await step.run?.();
  }
  notes.push(...(operation.notes ?? []));
  if (operation.follows === undefined) return { steps, notes, freesBytes: null };
  const after = await operation.follows();
  return {
    steps: [...steps, ...(await planView(world, after.steps, [], { of, before: operation.steps })).steps],
    notes: [...notes, ...after.notes],
    freesBytes: after.bytes,
  };
}

/** For people (`event list`): a log that cannot be written stops nothing. `error` null: it is done. */
async function log<Data, Result>(
  world: World,
  { kind, target }: Operation<Data, Result>,
  { createdAt }: JournalEntry,
  error: unknown,
): Promise<void> {
  const now = world.clock.now();
  const event = {
    time: now.toISOString(),
    duration_ms: Math.max(0, now.getTime() - Date.parse(createdAt)),
    command: world.command,
    operation: kind.name,
    target: target,
    result: error === null ? "done" : error instanceof EstratoError ? error.code : "failed",
    user: world.user,
    ...(error instanceof EstratoError ? { message: error.message } : {}),
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
    await work().catch((error: unknown) => {
      throw whileDoing(error, `${kind.name}: ${title}`);
    });
    world.report.step({ operation: kind.name, index, id, title, phase: "after" });
    index += 1;
  };
  for (const step of steps) {
    // What remains is to be remembered: the host is told nothing more, and its children end meanwhile. Who releases
    // the locks waits until they have.
    const { actions: toDo, shown, child: inner } = step;
    const isRemembering = toDo === undefined && shown === undefined && inner === undefined;
    if (isRemembering && step === steps.at(-1)) world.host.letGo(locks.fds).catch(() => undefined);
    const actions = step.actions ?? [];
    const { sums, bytes } = step;
    // Of several nobody knows how much is whose.
    const how = { ...(sums ? { sums } : {}), ...(bytes !== undefined && actions.length === 1 ? { bytes } : {}) };
    for (const action of actions) await around(step, () => perform(world, locks, [action], step.title, how));
    if (step.run !== undefined) await around(step, step.run);
    const { child } = step;
    if (child !== undefined) await around(step, () => child(within));
  }
}

const LATER = 'the next command or "estrato doctor --repair"';

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
  if (error instanceof NoAnswer) {
    // Nothing tells what is there, and what it was told the host may yet do: as after a kill.
    world.report.note(`${kind.name}: left as it is, since the host does not answer; ${LATER} will end it or undo it`);
    return;
  }
  try {
    for (const child of await childrenOf(world, entry)) await endEntry(world, locks, child);
    const end = kind.fail ?? kind.recover;
    const outcome = await end(world, locks, data, openedEntry(world, kind, entry));
    await closeEntry(world, entry);
    if (error instanceof EstratoError && error.code === "interrupted") {
      world.report.note(`interrupted: ${INTERRUPTED[outcome]}`);
    }
  } catch (second) {
    const why = wordsOf(second);
    world.report.note(`could not be undone now (${why}); ${LATER} will try again`);
  }
}
