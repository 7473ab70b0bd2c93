/**
 * How long a child is waited for (DESIGN.md, invariant 17). What asks must answer, what works must get on: who says
 * nothing and does nothing for the host's time limit is ended, politely, and where that does not help, not.
 */
import type { ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import type { Command } from "../core/model/host.ts";
import type { EstratoError } from "../errors.ts";
import { knowChild, signalChild } from "../living-children.ts";
import { interrupted, noAnswer, overTime } from "./process-failure.ts";

export const DEFAULT_LIMIT_MS = 30_000;

/** How the children of one command are waited for. */
export interface Patience {
  /** How long nothing may be heard of a child that asks, or seen of one that works. */
  readonly limitMs: number;
  /** The command's interruption. */
  readonly signal?: AbortSignal | undefined;
  /** What a question still has then: an answer that is on its way is let come where something is being changed. */
  readonly afterSignalMs: number;
  /** Told what is waited for, and null when it no longer is. */
  readonly onWait?: ((what: string | null) => void) | undefined;
}

/** What is owed to a child. */
export interface Owed {
  /**
   * `answer`: something within the limit. `change`: libvirt may be at it for ten limits, without a word. `work`: as
   * long as it gets on. `own`: it is ended by `timeoutMs` or by `signal`.
   */
  readonly as: "answer" | "change" | "work" | "own";
  /** Ends it: it may be cut at any instant. */
  readonly signal?: AbortSignal | undefined;
  /** Then it ends, and all that it started: "timeout". */
  readonly timeoutMs?: number | undefined;
  /** What it may take beyond the limit, since it has one of its own. */
  readonly extraMs?: number | undefined;
  /** Of work that others do for it: another answer is progress. */
  readonly progress?: (() => Promise<unknown>) | undefined;
}

export interface Watch {
  /** Why we have ended it; null: we have not. */
  readonly reason: EstratoError | null;
  /** Resolves where it does not end although it was killed (it sleeps in the kernel): it is not waited for. */
  readonly lost: Promise<void>;
  /** It has said something. */
  heard(): void;
  /** To be called when it has ended. */
  clear(): void;
}

/** How many limits libvirt and QEMU may be at a change without a sign of it. */
export const CHANGE_TAKES = 10;
const FIRST_LOOK_MS = 100;
const LOOK_MS = 500;
const SAID_AFTER_MS = 2_000;
/** Between SIGTERM and SIGKILL: time to take down what was put up; then, until it must have ended. */
const PATIENCE_MS = { answer: 500, change: 500, work: 1_000, own: 5_000 };
const LOST_MS = 1_000;

/** Watches a child, from its start on. It must lead a process group of its own (detached). */
export function watchChild(child: ChildProcess, command: Command, owed: Owed, patience: Patience): Watch {
  knowChild(child, true);
  const { afterSignalMs, onWait, signal } = patience;
  const limitMs = patience.limitMs + (owed.extraMs ?? 0);
  const startedMs = performance.now();
  let heardMs = startedMs;
  let signalledMs: number | null = signal?.aborted ? startedMs : null;
  let seen: unknown = null;
  let said = false;
  let reason: EstratoError | null = null;
  const timers: NodeJS.Timeout[] = [];
  let loseIt = () => {};
  const lost = new Promise<void>((resolve) => {
    loseIt = resolve;
  });

  function giveUp(why: EstratoError): void {
    if (reason !== null) return;
    reason = why;
    signalChild(child, "SIGTERM");
    timers.push(
      setTimeout(() => {
        signalChild(child, "SIGKILL");
        // Who left the group may hold the other end for ever.
        for (const stream of child.stdio) stream?.destroy();
      }, PATIENCE_MS[owed.as]),
      setTimeout(() => {
        child.unref();
        loseIt();
      }, PATIENCE_MS[owed.as] + LOST_MS),
    );
  }

  function verdict(nowMs: number): EstratoError | null {
    const silentMs = nowMs - heardMs;
    if (owed.as === "own") return null;
    if (owed.as === "answer" && signalledMs !== null && nowMs - Math.max(signalledMs, startedMs) >= afterSignalMs) {
      return interrupted(command);
    }
    return silentMs >= (owed.as === "change" ? CHANGE_TAKES : 1) * limitMs
      ? noAnswer(command, owed.as, silentMs)
      : null;
  }

  async function look(): Promise<void> {
    if (owed.as === "work" || owed.progress !== undefined) {
      const now = await (owed.progress?.() ?? workOf(child.pid)).catch(() => null);
      if (now !== null && now !== seen) heard();
      seen = now;
    }
    const nowMs = performance.now();
    if (!said && owed.as !== "own" && nowMs - heardMs >= SAID_AFTER_MS) {
      said = true;
      onWait?.(command.program);
    }
    const why = verdict(nowMs);
    if (why !== null) giveUp(why);
    else later(LOOK_MS);
  }

  let isOver = false;
  function later(ms: number): void {
    if (!isOver) timers.push(setTimeout(() => void look(), Math.min(ms, limitMs)));
  }

  function heard(): void {
    heardMs = performance.now();
    if (said) onWait?.(null);
    said = false;
  }

  const onSignal = () => {
    signalledMs = performance.now();
    if (owed.as === "answer") timers.push(setTimeout(() => void look(), afterSignalMs));
  };
  const onOwnSignal = () => giveUp(interrupted(command));
  signal?.addEventListener("abort", onSignal);
  owed.signal?.addEventListener("abort", onOwnSignal);
  if (owed.timeoutMs !== undefined) timers.push(setTimeout(() => giveUp(overTime(command)), owed.timeoutMs));
  later(FIRST_LOOK_MS);

  return {
    get reason() {
      return reason;
    },
    lost,
    heard,
    clear() {
      isOver = true;
      for (const timer of timers) clearTimeout(timer);
      signal?.removeEventListener("abort", onSignal);
      owed.signal?.removeEventListener("abort", onOwnSignal);
      if (said) onWait?.(null);
      said = false;
    },
  };
}

/**
 * What a process and its threads have done so far: bytes read and written (proc(5), io) and time on a processor. Null
 * where nothing tells.
 */
async function workOf(pid: number | undefined): Promise<string | null> {
  const [io, stat] = await Promise.all(
    ["io", "stat"].map((file) => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "")),
  );
  const ticks =
    stat
      ?.slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 13)
      .join(" ") ?? "";
  return io === "" && ticks === "" ? null : `${io}${ticks}`;
}
