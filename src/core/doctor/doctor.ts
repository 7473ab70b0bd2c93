/**
 * `doctor`: compares store, files and libvirt, names each difference, and mends what can be mended without guessing.
 */
import { EstratoError } from "../../errors.ts";
import { wordsOf } from "../../system-answer.ts";
import { clearAbandoned } from "../abandoned.ts";
import { findings as structure } from "../graph/invariants.ts";
import type { JournalEntry } from "../model/journal.ts";
import type { State } from "../model/state.ts";
import { faultIn, StrangeData } from "../operations/entry-data.ts";
import { takeLocks } from "../operations/locks.ts";
import { recoverAll } from "../operations/recovery.ts";
import type { HeldLocks, World } from "../ports.ts";
import { examineLayers, examineOrphans } from "./files.ts";
import { type Finding, foundBy, type Look, mendingUnder, unmendable } from "./finding.ts";
import { examineVerifying } from "./half-made.ts";
import { examineInstances } from "./instances.ts";
import { recordLostLayers } from "./lost-layers.ts";
import { examineMarks } from "./marks.ts";
import { examineMemory } from "./memory.ts";
import { examineKept } from "./records.ts";
import { examineDoubt, examineRemembered, examineWritable, stateOrNull, unreadableEntry } from "./remembered.ts";
import { examineSchedules } from "./schedules.ts";
import { examineSecrets, orphanSecrets } from "./secrets.ts";
import { examineShares } from "./shares.ts";
import { examineStrangers } from "./strangers.ts";
import { examineStrays } from "./strays.ts";
import { examineTargets } from "./targets.ts";
import { examineMarksOfUse, examineUses } from "./uses.ts";

export interface Examined {
  readonly subject: string;
  readonly problem: string;
  readonly remedy: string;
  readonly result: "found" | "mended" | "left";
}

/** All differences, nothing changed. Reads only. */
export async function examine(world: World): Promise<Finding[]> {
  const findings = await examineRemembered(world);
  const state = await stateOrNull(world);
  if (state === null) return findings; // nothing can be compared with it
  findings.push(...(await examineWritable(world)), ...(await examineDoubt(world)));
  const { entries: pending, damaged } = await world.store.journal.scan();
  for (const entry of pending)
    findings.push(...foundBy(stillPending(entry), [await examinePending(world, state, entry)]));
  findings.push(
    ...structure(state).map((problem) => unmendable("state.json", problem, "Nothing here can know which is right.")),
  );
  findings.push(...(await examineLayers(world, state)));
  findings.push(...(await examineSecrets(world, state)));
  findings.push(...(await examineMemory(world, state)));
  findings.push(...(await examineKept(world, state)));
  findings.push(...(await examineInstances(world, state)));
  findings.push(...(await examineStrangers(world, state)));
  // While something is under way its files are not orphans: they are named in its journal entry.
  if (pending.length === 0 && damaged.length === 0)
    findings.push(
      ...(await examineMarks(world, [])),
      ...examineStrays(state),
      ...foundBy(whileIdle(examineShares), await examineShares(world, state)),
      ...(await examineTargets(world, state)),
      ...(await examineSchedules(world, state)),
      ...foundBy(whileIdle(examineUses), await examineUses(world, state)),
      ...(await examineMarksOfUse(world, state)),
      ...(await examineVerifying(world, state)),
      ...(await examineOrphans(world, state)),
      ...(await orphanSecrets(world, state)),
    );
  return findings;
}

/** Of what is not told from an operation that is under way. */
function whileIdle(look: Look): Look {
  return async (world, state) => {
    const { entries, damaged } = await world.store.journal.scan();
    return entries.length === 0 && damaged.length === 0 ? look(world, state) : [];
  };
}

function stillPending({ id }: JournalEntry): Look {
  return async (world, state) => {
    const entries = await world.store.journal.list();
    return Promise.all(entries.filter((one) => one.id === id).map((entry) => examinePending(world, state, entry)));
  };
}

/** An operation that has not ended: recovery ends it, but for a pivot of which only a person can say how. */
async function examinePending(world: World, state: State, entry: JournalEntry): Promise<Finding> {
  const subject = `operation ${entry.id}`;
  const fault = await faultIn(world, entry);
  if (fault instanceof StrangeData)
    return unreadableEntry(`${entry.id}.json`, fault.message, entry.locks, async (w) => isStrange(w, entry.id));
  if (fault !== null) return unmendable(subject, `"${entry.command}" has not ended`, fault.hint ?? "");
  const { chooseMoved, undecided } = await import("../layers/merge.ts");
  const pair = await undecided(world, state, entry);
  if (pair === null)
    return unmendable(subject, `"${entry.command}" has not ended`, "It is under way, or --repair ends it.");
  const { layer, child } = pair;
  return {
    subject,
    problem: `a guest was being moved from ${child.file} to ${layer.file}, both were written since, and nothing shows which it last ran on`,
    remedy: `Go on with ${layer.file}.`,
    mending: {
      locks: entry.locks,
      loses: [`what ${child.file} holds beyond ${layer.file}`],
      mend: (w, locks) => chooseMoved(w, locks, entry),
    },
  };
}

async function isStrange(world: World, id: string): Promise<boolean> {
  const entry = (await world.store.journal.list()).find((one) => one.id === id);
  return entry !== undefined && (await faultIn(world, entry)) instanceof StrangeData;
}

/**
 * Puts together what is remembered where that is damaged, recovers what never ended, mends what can be mended (asking
 * where it must choose), collects, and pulls in what instances still read from backups. Afterwards each
 * difference that is left is in the answer with result "left".
 * All is asked before anything is mended: a no leaves that one alone; throws "needs_yes" where nobody can answer.
 */
export async function repair(world: World): Promise<Examined[]> {
  const done: Examined[] = [];
  // A state that is good gets what is missing of its records
  if ((await stateOrNull(world)) !== null) await world.store.restoreLastGood();
  const damaged = await examineRemembered(world);
  const untouched = await refusedOf(world, damaged);
  for (const finding of damaged) {
    if (!untouched.has(finding) && (await mend(world, finding))) done.push({ ...rowOf(finding), result: "mended" });
  }
  const lost = await examineRemembered(world);
  if (lost.length > 0) return [...done, ...lost.map((finding) => ({ ...rowOf(finding), result: "left" as const }))];
  if ((await world.store.doubt()) !== null) await recordLostLayers(world);
  const failures: { entry: JournalEntry; error: unknown }[] = [];
  await recoverAll(world, failures, world.lockTimeoutMs);
  await clearAbandoned(world, ["expired"]); // no fault, and nothing to be told of
  const found = await examine(world);
  const refused = await refusedOf(world, found);
  for (const finding of found) {
    if (finding.mending !== null && !refused.has(finding))
      done.push({ ...rowOf(finding), result: (await mend(world, finding)) ? "mended" : "left" });
  }
  // What was mended may have been in its way: a guest that was undefined, for one.
  if (failures.splice(0).length > 0) await recoverAll(world, failures, world.lockTimeoutMs);
  const { collect } = await import("../layers/collect.ts");
  await collect(world);
  await (await import("../backups/pull.ts")).pullAll(world);
  const left = await mendUncovered(world, done);
  const mended = done.filter((one) => one.result === "mended");
  const pending = (await world.store.journal.list()).map(({ id }) => id);
  const unrecovered = failures
    .filter(({ entry }) => pending.includes(entry.id))
    .map(({ entry, error }) => ({
      subject: `operation ${entry.id}`,
      problem: `"${entry.command}" cannot be recovered: ${wordsOf(error)}`,
      remedy:
        error instanceof EstratoError && error.hint !== undefined
          ? error.hint
          : "Mend that first, and run doctor again.",
      result: "left" as const,
    }));
  return [
    ...mended,
    ...unrecovered,
    ...left.filter((one) => !unrecovered.some((other) => other.subject === one.subject)),
  ];
}

/**
 * Mends what the first mending has brought to light (the mode of a layer whose mark was taken away), as far as nothing
 * needs a yes: that was to be asked before anything changed. Adds to `done`; returns what is left.
 */
async function mendUncovered(world: World, done: Examined[]): Promise<Examined[]> {
  const tried = new Set(done.map(keyOf));
  let any = false;
  const found = await examine(world);
  for (const finding of found) {
    if (finding.mending === null || finding.mending.loses.length > 0 || tried.has(keyOf(finding))) continue;
    any = true;
    if (await mend(world, finding)) done.push({ ...rowOf(finding), result: "mended" });
  }
  return (any ? await examine(world) : found).map((finding) => ({ ...rowOf(finding), result: "left" }));
}

const keyOf = ({ subject, problem }: Pick<Finding, "subject" | "problem">): string => `${subject}: ${problem}`;

/** Of what must be asked, before anything is mended: those that got a no. */
async function refusedOf(world: World, found: readonly Finding[]): Promise<Set<Finding>> {
  const refused = new Set<Finding>();
  for (const finding of found) {
    const { mending } = finding;
    if (mending === null || mending.loses.length === 0) continue;
    const text = `${finding.subject}: ${finding.problem}. ${finding.remedy}`;
    const { loses, byPerson = false } = mending;
    if (!(await world.report.confirm({ text, loses, byPerson }))) refused.add(finding);
  }
  return refused;
}

async function mend(world: World, finding: Finding): Promise<boolean> {
  const { mending } = finding;
  if (mending === null) return false;
  let locks: HeldLocks | null = null;
  try {
    locks = await takeLocks(world, mending.locks, world.lockTimeoutMs);
    await (await mendingUnder(world, locks, { ...finding, mending })).mend(world, locks);
    return true;
  } catch (error) {
    if (error instanceof EstratoError && error.code === "interrupted") throw error;
    const hint = error instanceof EstratoError && error.hint !== undefined ? `. ${error.hint}` : "";
    world.report.note(`${finding.subject}: could not be mended: ${wordsOf(error)}${hint}`);
    return false;
  } finally {
    await locks?.release();
  }
}

function rowOf(finding: Finding): { subject: string; problem: string; remedy: string } {
  return { subject: finding.subject, problem: finding.problem, remedy: finding.remedy };
}
