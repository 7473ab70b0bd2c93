/** Processes in a guest. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { AgentSilent, type Guest } from "./guest.ts";

/** How a process in the guest ended: one of the two is null. */
export interface GuestEnd {
  readonly exitCode: number | null;
  readonly signal: number | null;
}

const PID = v.object({ pid: v.pipe(v.number(), v.integer(), v.minValue(1)) });
const END = v.object({
  exited: v.boolean(),
  exitcode: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255))),
  signal: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64))),
  "out-data": v.optional(v.string(), ""),
  "err-data": v.optional(v.string(), ""),
});

const SHELL = "/bin/sh";
const FIRST_LOOK_MS = 10;
export const LAST_LOOK_MS = 300;
/** Of what the agent understands in one command (files.ts), all but what stands around the words. */
const MOST_CHARACTERS = 120_000;

/** Starts a line of the guest's shell with these words as $1, $2, …; returns its process. As root, in /. */
export async function startScript(
  guest: Guest,
  script: string,
  words: readonly string[],
  captured: boolean,
): Promise<number> {
  const arg = ["-c", script, "estrato", ...words];
  if (JSON.stringify(arg).length > MOST_CHARACTERS) {
    throw new EstratoError("usage", "the command is too long for a guest agent", {
      hint: "Push it as a script, or give it as --stdin to a shell: estrato instance exec NAME --stdin -- sh.",
    });
  }
  const { pid } = await guest.ask("guest-exec", { path: SHELL, arg, "capture-output": captured }, PID);
  return pid;
}

/**
 * How it ended; null: it has not. The agent tells it once: where an answer was lost, nobody will know, and it throws
 * what the agent says of a process that it does not know.
 */
export async function endOf(guest: Guest, pid: number): Promise<(GuestEnd & { out: string; err: string }) | null> {
  const said = await guest.ask("guest-exec-status", { pid }, END).catch((error: unknown) => {
    if (error instanceof AgentSilent) return null;
    throw error;
  });
  if (said === null || !said.exited) return null;
  const text = (key: "out-data" | "err-data") => Buffer.from(said[key], "base64").toString("utf8");
  return {
    exitCode: said.signal === undefined ? (said.exitcode ?? 0) : null,
    signal: said.signal ?? null,
    out: text("out-data"),
    err: text("err-data"),
  };
}

/** Pauses between two looks at what goes on: short ones first. `progressed`: there was something to see. */
export function looking(guest: Guest) {
  let ms = FIRST_LOOK_MS;
  return async (progressed: boolean): Promise<void> => {
    ms = progressed ? FIRST_LOOK_MS : Math.min(ms * 1.5, LAST_LOOK_MS);
    await guest.world.clock.sleep(ms, guest.world.signal);
  };
}

export interface ScriptEnd {
  /** 128 + n where a signal ended it, as a shell says it. */
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

/** A short script of our own, to its end. Throws "timeout" where it takes longer than `timeoutMs`. */
export async function runScript(
  guest: Guest,
  script: string,
  words: readonly string[],
  timeoutMs = SCRIPT_MS,
): Promise<ScriptEnd> {
  const pid = await startScript(guest, script, words, true);
  const startMs = guest.world.clock.elapsedMs();
  const pause = looking(guest);
  for (;;) {
    const end = await endOf(guest, pid);
    if (end !== null) return { exit: shellCode(end), out: end.out, err: end.err };
    if (guest.world.clock.elapsedMs() - startMs >= timeoutMs) {
      throw new EstratoError("timeout", `instance ${guest.name}: process ${pid} there does not end`);
    }
    await pause(false);
  }
}

const SCRIPT_MS = 60_000;

export function shellCode({ exitCode, signal }: GuestEnd): number {
  return signal === null ? (exitCode ?? 0) : 128 + signal;
}

/** A script that nobody waits for, and whose failure is nobody's: of what is cleared away. */
export async function leaveScript(guest: Guest, script: string, words: readonly string[]): Promise<void> {
  await startScript(guest, script, words, false).catch(() => {});
}

/** "failed", in the last words of a script of ours that went wrong. */
export function scriptFailure({ name }: Guest, what: string, { exit, err }: ScriptEnd): EstratoError {
  const words = err.trim().split("\n").at(-1)?.slice(0, 500) || `exit code ${exit}`;
  return new EstratoError("failed", `instance ${name}: ${what}: ${words}`, { hint: "See what the guest lacks." });
}
