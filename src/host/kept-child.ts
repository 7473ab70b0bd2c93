/** A child that is kept and spoken to, line by line. */
import { spawn } from "node:child_process";
import type { Command } from "../core/model/host.ts";
import type { ChildResult } from "./child.ts";
import { notStarted } from "./process-failure.ts";

export interface KeptChild {
  /** Somebody waits for its answer. */
  readonly isBusy: boolean;
  /** It has ended or will, or it complained although nobody asked: what it is connected with may be gone. */
  readonly isSpoilt: boolean;
  /**
   * Writes to its standard input and waits for the answer, one at a time. `exitOf` is given what came since and returns
   * the answer's exit code, or null as long as it is not whole. A child that ends meanwhile answers with its own exit
   * code. Traced as `shownAs`. "host" where the program is not installed.
   */
  ask(shownAs: Command, input: string, exitOf: (stdout: string, stderr: string) => number | null): Promise<ChildResult>;
  /** Closes its standard input: it ends after what it is doing. It is spoilt then. */
  close(): void;
  /** Resolves when it has ended. */
  ended(): Promise<void>;
}

interface KeepOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly inheritFds: readonly number[];
  readonly nowMs: () => number;
  readonly trace: (shownAs: Command, startedMs: number, exit: number | null) => void;
}

/**
 * Starts it. Between two questions it keeps this process from nothing: when we end, its standard input does, and so
 * does it; killed in the middle of a question, we leave it with that one alone.
 */
export function keepChild(command: Command, { env, inheritFds, nowMs, trace }: KeepOptions): KeptChild {
  const child = spawn(command.program, [...command.args], {
    env,
    cwd: "/",
    stdio: ["pipe", "pipe", "pipe", ...inheritFds],
    detached: true, // Ctrl-C goes to us alone
  });
  const handles = [child, ...child.stdio.slice(0, 3)] as { ref(): void; unref(): void }[];
  const output = { stdout: "", stderr: "" };
  let waiting: (() => void) | null = null;
  let isSpoilt = false;
  let failure: Error | null = null;
  let exit: number | null | undefined; // undefined: it lives

  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.setEncoding("utf8").on("data", (piece: string) => {
      output[stream] += piece;
      if (waiting === null && stream === "stderr") isSpoilt = true;
      waiting?.();
    });
  }
  child.stdin?.on("error", () => {}); // it has ended: "close" says so
  const ended = new Promise<void>((resolve) => {
    const settle = (code: number | null) => {
      exit = code;
      isSpoilt = true;
      waiting?.();
      resolve();
    };
    child.once("error", (error) => {
      failure = error;
      settle(null);
    });
    child.once("close", settle);
  });
  for (const handle of handles) handle.unref();

  return {
    get isBusy() {
      return waiting !== null;
    },
    get isSpoilt() {
      return isSpoilt;
    },
    async ask(shownAs, input, exitOf) {
      const startedMs = nowMs();
      output.stdout = ""; // the prompt
      for (const handle of handles) handle.ref();
      try {
        const answer = await new Promise<ChildResult>((resolve, reject) => {
          waiting = () => {
            const code = exit === undefined ? exitOf(output.stdout, output.stderr) : exit;
            if (failure !== null) reject(notStarted(command, failure));
            else if (exit !== undefined || code !== null) resolve({ exit: code, ...output });
          };
          if (exit === undefined) child.stdin?.write(input);
          else waiting();
        });
        trace(shownAs, startedMs, answer.exit);
        return answer;
      } finally {
        waiting = null;
        output.stdout = ""; // it may be long, or a secret
        output.stderr = "";
        for (const handle of handles) handle.unref();
      }
    },
    close() {
      isSpoilt = true;
      child.stdin?.end();
    },
    async ended() {
      for (const handle of handles) handle.ref();
      await ended;
    },
  };
}
