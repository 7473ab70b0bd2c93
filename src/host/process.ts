/** The one place where child processes start. No shell, one locale, and nothing of a child's failure is swallowed. */
import type { ChildProcess, StdioOptions } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import type { Readable } from "node:stream";
import type { Command } from "../core/model/host.ts";
import { knowChild, signalChild } from "../living-children.ts";
import type { ChildResult, ChildTrace, RunOptions } from "./child.ts";
import { type KeptChild, keepChild } from "./kept-child.ts";
import { DEFAULT_LIMIT_MS, type Owed, type Patience, watchChild } from "./patience.ts";
import { failure, interrupted, MissingProgram, notStarted, tooLong } from "./process-failure.ts";

export interface ProcessOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly trace?: ((child: ChildTrace) => void) | undefined;
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs?: () => number;
  /** Without it: DEFAULT_LIMIT_MS. */
  readonly patience?: Patience;
}

export interface Processes {
  /** How long nothing may be heard of a child that asks, or seen of one that works. */
  readonly limitMs: number;
  /**
   * Runs to the end and reports the exit code as it is. "host" where the program is not installed, "interrupted" where
   * `signal` cut it, "timeout" (NoAnswer) where nothing was heard of it for as long as the host may take.
   */
  run(command: Command, options?: RunOptions): Promise<ChildResult>;
  /** The same, but any exit code but 0 is "failed", with the child's last words. Returns standard output. */
  output(command: Command, options?: RunOptions): Promise<string>;
  /** Standard output line by line, for answers of any length. "failed" at the end where the exit code is not 0. */
  lines(command: Command, options?: Pick<RunOptions, "inheritFds">): AsyncGenerator<string>;
  /** A child that is kept and spoken to. */
  keep(command: Command, options?: Pick<RunOptions, "environment">): KeptChild;
  /** A child that owns the terminal (a console, ssh): returns its exit code. Ctrl-C reaches it directly. */
  interactive(command: Command): Promise<number>;
}

const MAX_BUFFER_CHARACTERS = 128 * 1024 * 1024;

export function createProcesses(options: ProcessOptions): Processes {
  const nowMs = options.nowMs ?? (() => performance.now());
  const env = childEnvironment(options.env);
  const patience = options.patience ?? { limitMs: DEFAULT_LIMIT_MS, afterSignalMs: 0 };

  function trace(command: Command, startedMs: number, exit: number | null): void {
    options.trace?.({ program: command.program, args: command.args, ms: nowMs() - startedMs, exit });
  }

  /** By Node itself: execa alone takes as long to load as virsh to answer. */
  async function start(command: Command, how: RunOptions): Promise<ChildProcess> {
    const { spawn } = await import("node:child_process");
    const { input, encoding = "utf8", inheritFds = [], environment } = how;
    const stdio: StdioOptions = [input === undefined ? "ignore" : "pipe", "pipe", "pipe", ...inheritFds];
    // Detached: Ctrl-C goes to us alone, and we decide what may be cut.
    const { program, args } = how.endsWithUs === true ? endedWithUs(command) : command;
    const child = spawn(program, [...args], {
      env: { ...env, ...environment },
      cwd: "/",
      stdio,
      detached: true,
    });
    child.stdin?.on("error", () => {}); // it has ended before it had read all: its exit code says the rest
    child.stdin?.end(input, encoding);
    return child;
  }

  async function run(command: Command, how: RunOptions = {}): Promise<ChildResult> {
    if (how.signal?.aborted) throw interrupted(command);
    const startedMs = nowMs();
    const child = await start(command, how);
    const watched = watchChild(child, command, owedTo(command, how), patience);
    const texts = { stdout: "", stderr: "" };
    let isTooLong = false;
    const ended = new Promise<number | null>((resolve, reject) => {
      const encodings = { stdout: how.encoding ?? "utf8", stderr: "utf8" } as const;
      for (const stream of ["stdout", "stderr"] as const) {
        child[stream]?.setEncoding(encodings[stream]).on("data", (piece: string) => {
          watched.heard();
          texts[stream] += piece;
          if (stream === "stdout") how.onOutput?.(piece);
          if (texts[stream].length <= MAX_BUFFER_CHARACTERS) return;
          isTooLong = true;
          texts[stream] = "";
          signalChild(child, "SIGKILL");
        });
      }
      child.once("error", (cause: NodeJS.ErrnoException) => reject(notStarted(command, cause)));
      child.once("close", resolve);
      if (how.leavesBehind === true) child.once("exit", (code) => leave(child, code, resolve));
    });
    let exit: number | null = null;
    try {
      exit = (await Promise.race([ended, watched.lost])) ?? null;
    } finally {
      watched.clear();
      trace(command, startedMs, exit);
    }
    // Who was told to end, and had ended by then, has done what it should.
    if (watched.reason !== null && exit !== 0) throw watched.reason;
    if (isTooLong) throw tooLong(command);
    if (how.endsWithUs === true && exit === NOT_FOUND) throw new MissingProgram(command.program);
    return { exit, ...texts };
  }

  return {
    limitMs: patience.limitMs,
    run,
    async output(command, how) {
      const result = await run(command, how);
      if (result.exit !== 0) throw failure(command, result);
      return result.stdout;
    },
    async *lines(command, how = {}) {
      const { createInterface } = await import("node:readline");
      const startedMs = nowMs();
      const child = await start(command, how);
      const watched = watchChild(child, command, owedTo(command, how), patience);
      let stderr = "";
      child.stderr?.setEncoding("utf8").on("data", (piece: string) => {
        stderr += piece;
      });
      const ended = once(child, "close"); // or "error"
      ended.catch(() => {});
      let exit: number | null = null;
      try {
        yield* createInterface({ input: child.stdout as Readable, crlfDelay: Number.POSITIVE_INFINITY });
      } finally {
        child.stdout?.destroy();
        const end = await Promise.race([ended, watched.lost]).catch((cause) => {
          throw notStarted(command, cause);
        });
        watched.clear();
        exit = end?.[0] ?? null;
        trace(command, startedMs, exit);
      }
      if (watched.reason !== null && exit !== 0) throw watched.reason;
      if (exit !== 0) throw failure(command, { exit, stderr });
    },
    keep: (command, { environment } = {}) =>
      keepChild(command, { env: { ...env, ...environment }, nowMs, trace, patience }),
    async interactive(command) {
      const { execa } = await import("execa");
      const startedMs = nowMs();
      const child = execa(command.program, [...command.args], {
        env,
        extendEnv: false,
        reject: false,
        stdio: "inherit",
      });
      knowChild(child, false);
      const result = await child;
      const exit = result.exitCode ?? null;
      trace(command, startedMs, exit);
      if (exit === null && result.code === "ENOENT") throw new MissingProgram(command.program);
      return exit ?? 1;
    },
  };
}

/** Time for its last words, after which nobody waits for who still holds its output. */
const LAST_WORDS_MS = 200;

function leave(child: ChildProcess, code: number | null, ended: (code: number | null) => void): void {
  setTimeout(() => {
    for (const stream of [child.stdout, child.stderr]) (stream as Socket | null)?.unref();
    ended(code);
  }, LAST_WORDS_MS).unref();
}

/** Of who was to run it. */
const NOT_FOUND = 127;

function endedWithUs({ program, args }: Command): Command {
  return { program: "setpriv", args: ["--pdeathsig", "KILL", program, ...args] };
}

export function owedTo(command: Command, how: RunOptions): Owed {
  const { signal, timeoutMs, progress, extraMs } = how;
  const as = how.as ?? (timeoutMs === undefined ? impliedBy(command, how) : "own");
  return { as, signal, timeoutMs, progress, extraMs };
}

/** What reads a whole image, or writes one, is at work; what changes libvirt's things holds locks; all else answers. */
function impliedBy({ program, args }: Command, { inheritFds }: RunOptions): Owed["as"] {
  if (program === "qemu-img") return args[0] === "info" ? "answer" : "work";
  return inheritFds === undefined ? "answer" : "change";
}

/** One locale, so that what children say can be read; and without the variable that costs every Node child 37 ms. */
export function childEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NODE_EXTRA_CA_CERTS: _, LANGUAGE: __, ...rest } = env;
  return { ...rest, LC_ALL: "C.UTF-8" };
}
