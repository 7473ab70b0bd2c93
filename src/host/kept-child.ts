/** A child that is kept and spoken to, line by line. */
import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { knowChild, signalChild } from "../living-children.ts";
import type { ChildResult } from "./child.ts";
import { type Owed, type Patience, type Watch, watchChild } from "./patience.ts";
import { notStarted } from "./process-failure.ts";

export interface KeptChild {
  /** 0: it did not start. */
  readonly pid: number;
  /** Somebody waits for its answer. */
  readonly isBusy: boolean;
  /** It has ended or will, or it complained although nobody asked: what it is connected with may be gone. */
  readonly isSpoilt: boolean;
  /**
   * Writes to its standard input and waits for the answer, one at a time. `exitOf` is given what came since and returns
   * the answer's exit code, or null as long as it is not whole. A child that ends meanwhile answers with its own exit
   * code. Traced as `shownAs`. "host" where the program is not installed; "timeout" where it does not answer: it is
   * ended then.
   */
  ask(
    shownAs: Command,
    input: string,
    exitOf: (stdout: string, stderr: string) => number | null,
    owed: Owed,
  ): Promise<ChildResult>;
  /**
   * Keeps these descriptors open until it has ended, beyond our own death, and returns what lets go of them sooner.
   * "host" where that cannot be done.
   */
  hold(fds: readonly number[]): () => Promise<void>;
  /** Closes its standard input: it ends after what it is doing. It is spoilt then. */
  close(): void;
  /** Ends it at once. */
  kill(): void;
  /** Resolves when it has ended. Who does nothing and does not end either is killed. */
  ended(): Promise<void>;
}

interface KeepOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly nowMs: () => number;
  readonly trace: (shownAs: Command, startedMs: number, exit: number | null) => void;
  readonly patience: Patience;
}

/**
 * It reads to an end that comes when all who have the other end of this pipe have ended: the child alone. Of a holder
 * nothing but its descriptors is wanted, and it starts in a tenth of the time of what it holds them for.
 */
const HOLDER: Command = { program: "cat", args: [] };
const PIPE_IN_CHILD = 3;

/** For who was told to end, and has nothing to do: it may be taking leave of a daemon that does not answer. */
const LEAVE_MS = 2_000;
const LOOK_MS = 200;

/**
 * Starts it. Between two questions it keeps this process from nothing: when we end, its standard input does, and so
 * does it; killed in the middle of a question, we leave it with that one alone.
 */
export function keepChild(command: Command, { env, nowMs, trace, patience }: KeepOptions): KeptChild {
  const how = { env, cwd: "/", detached: true } as const; // detached: Ctrl-C goes to us alone
  const child = spawn(command.program, [...command.args], { ...how, stdio: ["pipe", "pipe", "pipe", "pipe"] });
  knowChild(child, true);
  const handles = [child, ...child.stdio] as { ref(): void; unref(): void }[];
  const output = { stdout: "", stderr: "" };
  let waiting: (() => void) | null = null;
  let watched: Watch | null = null;
  let isSpoilt = false;
  let failure: Error | null = null;
  let exit: number | null | undefined; // undefined: it lives

  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.setEncoding("utf8").on("data", (piece: string) => {
      output[stream] += piece;
      watched?.heard();
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
    child.once("exit", () => {
      isSpoilt = true; // nothing can be held by it any more
      child.stdio[PIPE_IN_CHILD]?.destroy(); // which nobody here reads, and "close" waits for
    });
  });
  for (const handle of handles) handle.unref();

  return {
    pid: child.pid ?? 0,
    get isBusy() {
      return waiting !== null;
    },
    get isSpoilt() {
      return isSpoilt;
    },
    async ask(shownAs, input, exitOf, owed) {
      const startedMs = nowMs();
      output.stdout = ""; // the prompt
      for (const handle of handles) handle.ref();
      const watch = watchChild(child, shownAs, owed, patience);
      watched = watch;
      let code: number | null = null;
      try {
        const answered = new Promise<ChildResult>((resolve, reject) => {
          waiting = () => {
            const said = exit === undefined ? exitOf(output.stdout, output.stderr) : exit;
            if (failure !== null) reject(notStarted(command, failure));
            else if (exit !== undefined || said !== null) resolve({ exit: said, ...output });
          };
          if (exit === undefined) child.stdin?.write(input);
          else waiting();
        });
        const answer = await Promise.race([answered, watch.lost]);
        if (watch.reason !== null) isSpoilt = true;
        if (answer === undefined || (watch.reason !== null && answer.exit === null)) throw watch.reason;
        code = answer.exit;
        return answer;
      } finally {
        watch.clear();
        watched = null;
        trace(shownAs, startedMs, code);
        waiting = null;
        output.stdout = ""; // it may be long, or a secret
        output.stderr = "";
        for (const handle of handles) handle.unref();
      }
    },
    hold(fds) {
      const pipe = child.stdio[PIPE_IN_CHILD];
      const holder = spawn(HOLDER.program, [...HOLDER.args], { ...how, stdio: [pipe, "ignore", "ignore", ...fds] });
      holder.once("error", () => {}); // of which its pid tells at once
      if (holder.pid === undefined) throw new EstratoError("host", `${HOLDER.program}: it could not be started`);
      knowChild(holder, true);
      holder.unref();
      const ended = new Promise<void>((resolve) => holder.once("exit", () => resolve()));
      return () => {
        holder.ref();
        // Once it has ended its number may be another's.
        if (holder.exitCode === null && holder.signalCode === null) signalChild(holder, "SIGKILL");
        return ended;
      };
    },
    close() {
      isSpoilt = true;
      child.stdin?.end();
    },
    kill() {
      isSpoilt = true;
      signalChild(child, "SIGKILL");
    },
    async ended() {
      for (const handle of handles) handle.ref();
      while (exit === undefined) {
        if (waiting === null) await killedAfter(LEAVE_MS);
        else await Promise.race([ended, delay(LOOK_MS)]); // its question has a limit of its own
      }
    },
  };

  /** Resolves when it has ended, or sleeps in the kernel although it was killed. */
  async function killedAfter(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([ended, late]);
    clearTimeout(timer);
    if (exit !== undefined) return;
    signalChild(child, "SIGKILL");
    await Promise.race([ended, delay(LOOK_MS * 5)]);
    exit ??= null;
  }
}
