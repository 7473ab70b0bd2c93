/** Ends estrato with SIGKILL at each step of an operation; what must hold afterwards is the caller's. */
import { readFileSync, rmSync } from "node:fs";
import type { Rig } from "./rig.ts";

/** Whose commands are killed. */
type Killable = Pick<Rig, "folder" | "estratoWith">;

interface StepLine {
  readonly operation: string;
  readonly index: number;
  readonly id: string;
  readonly title: string;
  readonly phase: "before" | "after";
}

export interface KillPoint {
  readonly at: string; // OPERATION:INDEX:PHASE
  /** Of the step; titles are for people. */
  readonly id: string;
  readonly title: string;
}

/**
 * Runs the command once to its end and returns every point where its operations can be killed: before each step, and
 * after the last one. (After a step is the same moment as before the next.)
 */
export async function killPoints(rig: Killable, ...command: string[]): Promise<KillPoint[]> {
  const file = `${rig.folder}/steps.jsonl`;
  rmSync(file, { force: true });
  const ran = await rig.estratoWith({ ESTRATO_TEST_STEPS: file }, ...command);
  if (ran.code !== 0) throw new Error(`estrato ${command.join(" ")}: exit ${ran.code}\n${ran.stderr}`);
  const steps = readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as StepLine);
  const points = new Map<string, KillPoint>();
  steps.forEach((step, index) => {
    const next = steps[index + 1];
    if (step.phase === "after" && next?.operation === step.operation) return;
    const at = `${step.operation}:${step.index}:${step.phase}`;
    if (!points.has(at)) points.set(at, { at, id: step.id, title: step.title });
  });
  return [...points.values()];
}

/**
 * Runs the command with the kill armed. Throws where it was not killed: a point that is never reached tests nothing.
 */
export async function killAt(rig: Killable, point: KillPoint, ...command: string[]): Promise<void> {
  const ran = await rig.estratoWith({ ESTRATO_TEST_CRASH: point.at }, ...command);
  if (ran.signal !== "SIGKILL")
    throw new Error(`not killed at ${point.at} (${point.title}): exit ${ran.code}\n${ran.stderr}`);
}
