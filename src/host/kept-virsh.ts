/**
 * virsh processes that are kept: a command costs half a millisecond in one, and fifteen in a process of its own
 * (measured).
 *
 * One answers questions, and one with each set of locks makes changes: it holds them as any child that changes things
 * does, so that a lock covers the command at work when we are killed, and no more than that one, for virsh then reads
 * the end of its standard input.
 */
import type { Command } from "../core/model/host.ts";
import type { ChildResult, RunOptions } from "./child.ts";
import type { KeptChild } from "./kept-child.ts";
import { owedTo, type Processes } from "./process.ts";

export interface KeptVirsh {
  /**
   * Null where this wants a process of its own: a time to end at, a signal, a line that virsh would not read as it is,
   * or virsh is at work.
   */
  ask(shownAs: Command, lines: string, exitOf: ExitOf, options: RunOptions): Promise<ChildResult | null>;
  /**
   * By a virsh of its own, whatever the length and the libvirt: nothing of the lines is in any process's arguments. It
   * is asked once, and what it answers when its connection is lost is an error of virsh's.
   */
  askUnseen(
    shownAs: Command,
    lines: string,
    exitOf: ExitOf,
    options: Pick<RunOptions, "extraMs">,
  ): Promise<ChildResult>;
  /** Starts the one that will be asked with these locks. */
  prepare(fds: readonly number[]): void;
  /** Ends what holds these locks; resolves when it holds them no more. */
  letGo(fds: readonly number[]): Promise<void>;
  /** Tells all of them to end. */
  close(): void;
}

type ExitOf = (stdout: string, stderr: string) => number | null;

/**
 * A virsh that was built without readline(3) takes what is beyond 1,023 bytes for the next line (libvirt, tools/vsh.c):
 * half a command could run.
 */
export const MAX_LINE_CHARACTERS = 1_000;

/**
 * readline takes all else for keys: a tab would complete, an escape edit. The user's own settings of keys stay out of
 * it, and our commands out of the user's history (no folder can be made there).
 */
const READABLE = /^[\x20-\x7e\n]*$/;
const ENVIRONMENT = { INPUTRC: "/dev/null", XDG_CACHE_HOME: "/dev/null", TERM: "dumb" };

/** virsh finds its connection gone, and opens it again by itself. What it was just asked is lost, or not. */
const CONNECTION_LOST = /^error: (?:Disconnected from|Reconnected to|Failed to reconnect|failed to connect)/m;

/**
 * virsh itself starts the daemon of a user's session, which would keep its logs where our environment says: nowhere.
 * Whatever starts it must be as usual.
 */
const STARTS_DAEMON = /\/session\b/;

/** The last that a virsh with ENVIRONMENT says, whatever it ends of. */
const NO_HISTORY = /^error: Failed to create '\/dev\/null\/.*\n?/gm;

function isReadable(lines: string): boolean {
  return READABLE.test(lines) && lines.split("\n").every((line) => line.length <= MAX_LINE_CHARACTERS);
}

interface Kept {
  readonly child: KeptChild;
  readonly fds: readonly number[];
  hasAnswered: boolean;
}

/** Those of a libvirt URI. */
export function keepVirsh(processes: Processes, program: Command, uri: string): KeptVirsh {
  // Of a session's daemon none is kept: each command has a process of its own.
  const keepsNone = STARTS_DAEMON.test(uri);
  const all = new Set<Kept>();
  let unseen: KeptChild | null = null;

  /** The one with these locks; with none, the one for questions. */
  function virshWith(fds: readonly number[]): Kept {
    const there = [...all].find((kept) => kept.fds.join() === fds.join() && !kept.child.isSpoilt);
    if (there !== undefined) return there;
    const child = processes.keep(program, { inheritFds: fds, environment: ENVIRONMENT });
    const kept = { child, fds, hasAnswered: false };
    all.add(kept);
    return kept;
  }

  return {
    async ask(shownAs, lines, exitOf, options) {
      const { inheritFds, as: _, progress: __, extraMs: ___, ...others } = options;
      if (keepsNone || Object.keys(others).length > 0 || !isReadable(lines)) return null;
      const kept = virshWith(inheritFds ?? []);
      if (kept.child.isBusy) return null;
      const result = await kept.child.ask(shownAs, lines, exitOf, owedTo(shownAs, options));
      const answer = { ...result, stderr: result.stderr.replace(NO_HISTORY, "") };
      const isLost = kept.child.isSpoilt || CONNECTION_LOST.test(answer.stderr);
      if (isLost) kept.child.close();
      // Only a question is asked again: what became of a change, nobody knows.
      if (isLost && kept.hasAnswered && inheritFds === undefined) return null;
      kept.hasAnswered = true;
      return answer;
    },
    async askUnseen(shownAs, lines, exitOf, options) {
      if (!READABLE.test(lines)) throw new Error("virsh would take some of these characters for keys");
      // Its domain runs, so the daemon of a session is there, and is not started by this one.
      if (unseen === null || unseen.isSpoilt) unseen = processes.keep(program, { environment: ENVIRONMENT });
      const child = unseen;
      const result = await child.ask(shownAs, lines, exitOf, owedTo(shownAs, options));
      if (CONNECTION_LOST.test(result.stderr)) child.close();
      return { ...result, stderr: result.stderr.replace(NO_HISTORY, "") };
    },
    prepare(fds) {
      if (!keepsNone) virshWith(fds);
    },
    async letGo(fds) {
      const holding = [...all].filter((kept) => kept.fds.some((fd) => fds.includes(fd)));
      for (const { child } of holding) child.close();
      await Promise.all(holding.map(({ child }) => child.ended()));
      for (const kept of holding) all.delete(kept);
    },
    close() {
      // One that has never answered is still asking for a connection: nothing is lost with it, and it may wait long.
      for (const { child, hasAnswered } of all) {
        if (hasAnswered) child.close();
        else child.kill();
      }
      all.clear();
      unseen?.close();
      unseen = null;
    },
  };
}
