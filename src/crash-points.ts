/**
 * Where tests end the process with SIGKILL, and how they learn which steps there are. Nothing happens unless their
 * variables are set.
 */
import { appendFileSync } from "node:fs";

export interface StepEvent {
  readonly operation: string;
  readonly index: number;
  readonly id: string;
  readonly title: string;
  readonly phase: "before" | "after";
}

/**
 * ESTRATO_TEST_STEPS=FILE: each step is a line of JSON in FILE.
 * ESTRATO_TEST_CRASH=OPERATION:INDEX:before|after: the process kills itself there (SIGKILL: nothing is cleaned up).
 * ESTRATO_TEST_STOP=…: it stands still there (SIGSTOP) until it is told to go on.
 */
export function crashPoint(env: Readonly<Record<string, string | undefined>>, step: StepEvent): void {
  if (env.ESTRATO_TEST_STEPS) appendFileSync(env.ESTRATO_TEST_STEPS, `${JSON.stringify(step)}\n`);
  const here = `${step.operation}:${step.index}:${step.phase}`;
  if (env.ESTRATO_TEST_CRASH === here) process.kill(process.pid, "SIGKILL");
  if (env.ESTRATO_TEST_STOP === here) process.kill(process.pid, "SIGSTOP");
}
