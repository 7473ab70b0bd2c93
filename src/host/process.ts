/** The one place where child processes start. No shell, one locale, and nothing of a child's failure is swallowed. */
import type { ChildProcess, StdioOptions } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import type { Command } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import type { ChildResult, ChildTrace, RunOptions } from "./child.ts";
import { type KeptChild, keepChild } from "./kept-child.ts";
import { failure, interrupted, missingProgram, notStarted } from "./process-failure.ts";
import { timeLimit } from "./time-limit.ts";

export interface ProcessOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly trace?: ((child: ChildTrace) => void) | undefined;
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs?: () => number;
}

export interface Processes {
  /**
   * Runs to the end and reports the exit code as it is. "host" where the program is not installed, "interrupted" where
   * `signal` cut it.
   */
  run(command: Command, options?: RunOptions): Promise<ChildResult>;
  /** The same, but any exit code but 0 is "failed", with the child's last words. Returns standard output. */
  output(command: Command, options?: RunOptions): Promise<string>;
  /** Standard output line by line, for answers of any length. "failed" at the end where the exit code is not 0. */
  lines(command: Command, options?: Pick<RunOptions, "inheritFds">): AsyncGenerator<string>;
  /** A child that is kept and spoken to. */
  keep(command: Command, options?: Pick<RunOptions, "inheritFds" | "environment">): KeptChild;
  /** A child that owns the terminal (a console, ssh): returns its exit code. Ctrl-C reaches it directly. */
  interactive(command: Command): Promise<number>;
}

const MAX_BUFFER_CHARACTERS = 128 * 1024 * 1024;

export function createProcesses(options: ProcessOptions): Processes {
  const nowMs = options.nowMs ?? (() => performance.now());
  const env = childEnvironment(options.env);
  const base = { env, extendEnv: false, reject: false, cwd: "/", maxBuffer: MAX_BUFFER_CHARACTERS } as const;

  function trace(command: Command, startedMs: number, exit: number | null): void {
    options.trace?.({ program: command.program, args: command.args, ms: nowMs() - startedMs, exit });
  }

  async function run(command: Command, how: RunOptions = {}): Promise<ChildResult> {
    const { inheritFds, ...rest } = how;
    if (Object.keys(rest).length === 0) return read(command, inheritFds ?? []);
    const { execa } = await import("execa");
    if (how.signal?.aborted) throw interrupted(command);
    const startedMs = nowMs();
    const stdio = [how.input === undefined ? "ignore" : "pipe", "pipe", "pipe", ...(inheritFds ?? [])];
    const child = execa(command.program, [...command.args], {
      ...base,
      env: { ...env, ...how.environment },
      stdio: stdio as ["ignore" | "pipe", "pipe", "pipe"], // execa takes further descriptors, its types do not
      ...(how.input === undefined ? {} : { input: how.input }),
      ...(how.signal === undefined ? {} : { cancelSignal: how.signal }),
      stripFinalNewline: false,
      detached: true, // Ctrl-C goes to us alone: we decide what may be cut
    });
    if (how.onOutput) child.stdout?.on("data", (piece: Buffer) => how.onOutput?.(piece.toString("utf8")));
    const limit = how.timeoutMs === undefined ? null : timeLimit(child, how.timeoutMs);
    const result = await child;
    limit?.clear();
    const exit = result.exitCode ?? null;
    trace(command, startedMs, exit);
    if (limit?.reached) throw new EstratoError("timeout", `${command.program}: it ran for longer than it may`);
    if (how.signal?.aborted && exit !== 0) throw interrupted(command);
    if (exit === null && result.code === "ENOENT") throw missingProgram(command.program);
    if (exit === null && result.signal === undefined) {
      throw new EstratoError("failed", `${command.program}: ${result.shortMessage ?? "did not start"}`, {
        cause: result,
      });
    }
    return { exit, stdout: String(result.stdout ?? ""), stderr: String(result.stderr ?? "") };
  }

  /** By Node itself: execa alone takes as long to load as virsh to answer. */
  async function start(command: Command, inheritFds: readonly number[]): Promise<ChildProcess> {
    const { spawn } = await import("node:child_process");
    const stdio: StdioOptions = ["ignore", "pipe", "pipe", ...inheritFds];
    return spawn(command.program, [...command.args], { env, cwd: "/", stdio, detached: true });
  }

  /** A plain question to a program. */
  async function read(command: Command, inheritFds: readonly number[]): Promise<ChildResult> {
    const startedMs = nowMs();
    const child = await start(command, inheritFds);
    return new Promise((resolve, reject) => {
      const texts = { stdout: "", stderr: "" };
      for (const stream of ["stdout", "stderr"] as const) {
        child[stream]?.setEncoding("utf8").on("data", (piece: string) => {
          texts[stream] += piece;
        });
      }
      child.once("error", (cause: NodeJS.ErrnoException) => {
        trace(command, startedMs, null);
        reject(notStarted(command, cause));
      });
      child.once("close", (exit) => {
        trace(command, startedMs, exit);
        resolve({ exit, ...texts });
      });
    });
  }

  return {
    run,
    async output(command, how) {
      const result = await run(command, how);
      if (result.exit !== 0) throw failure(command, result);
      return result.stdout;
    },
    async *lines(command, { inheritFds = [] } = {}) {
      const { createInterface } = await import("node:readline");
      const startedMs = nowMs();
      const child = await start(command, inheritFds);
      let stderr = "";
      child.stderr?.setEncoding("utf8").on("data", (piece: string) => {
        stderr += piece;
      });
      const ended = once(child, "close"); // or "error"
      ended.catch(() => {});
      try {
        yield* createInterface({ input: child.stdout as Readable, crlfDelay: Number.POSITIVE_INFINITY });
      } finally {
        child.stdout?.destroy();
      }
      const [exit] = (await ended.catch((cause) => {
        throw notStarted(command, cause);
      })) as [number | null];
      trace(command, startedMs, exit);
      if (exit !== 0) throw failure(command, { exit, stderr });
    },
    keep: (command, { inheritFds = [], environment } = {}) =>
      keepChild(command, { env: { ...env, ...environment }, inheritFds, nowMs, trace }),
    async interactive(command) {
      const { execa } = await import("execa");
      const startedMs = nowMs();
      const result = await execa(command.program, [...command.args], {
        env,
        extendEnv: false,
        reject: false,
        stdio: "inherit",
      });
      const exit = result.exitCode ?? null;
      trace(command, startedMs, exit);
      if (exit === null && result.code === "ENOENT") throw missingProgram(command.program);
      return exit ?? 1;
    },
  };
}

/** One locale, so that what children say can be read; and without the variable that costs every Node child 37 ms. */
export function childEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NODE_EXTRA_CA_CERTS: _, LANGUAGE: __, ...rest } = env;
  return { ...rest, LC_ALL: "C.UTF-8" };
}
