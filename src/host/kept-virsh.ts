/**
 * virsh processes that are kept: a command costs half a millisecond in one, and fifteen in a process of its own
 * (measured).
 *
 * The one that answers questions makes the changes, too, since it is there: it was started before any lock was taken,
 * and each set of locks under which it changes something is held for as long as it lives, or until they are let go. So
 * a lock covers the command at work when we are killed, and no more than that one, for virsh then reads the end of its
 * standard input. While it is at work, whoever else asks takes another.
 */
import type { Command } from "../core/model/host.ts";
import type { ChildResult, RunOptions } from "./child.ts";
import type { KeptChild } from "./kept-child.ts";
import { owedTo, type Processes } from "./process.ts";

export interface KeptVirsh {
  /**
   * Null where this wants a process of its own: a time to end at, a signal, a line that virsh would not read as it is,
   * or all of them are at work.
   */
  ask(shownAs: Command, lines: readonly string[], exitOf: ExitOf, options: RunOptions): Promise<ChildResult | null>;
  /**
   * By a virsh of its own, whatever the length and the libvirt: nothing of the lines is in any process's arguments. It
   * is asked once, and what it answers when its connection is lost is an error of virsh's.
   */
  askUnseen(
    shownAs: Command,
    lines: readonly string[],
    exitOf: ExitOf,
    options: Pick<RunOptions, "extraMs">,
  ): Promise<ChildResult>;
  /** Starts one for whoever asks next, and holds these locks by it. */
  prepare(fds: readonly number[]): void;
  /**
   * Ends what holds these locks; resolves when nothing does. A virsh that was lost while it changed something under
   * them is ended first.
   */
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
 * readline takes all else for keys: a tab would complete, an escape edit. And the end of a line ends what stands in
 * quotes, too: behind it virsh would read a command. The user's own settings of keys stay out of it, and our commands
 * out of the user's history (no folder can be made there).
 */
const READABLE = /^[\x20-\x7e]*$/;
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

function isReadable(lines: readonly string[]): boolean {
  return lines.every((line) => READABLE.test(line) && line.length <= MAX_LINE_CHARACTERS);
}

const typed = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");

interface Kept {
  readonly child: KeptChild;
  /** By the descriptors of their locks. */
  readonly holds: Map<string, Hold>;
  hasAnswered: boolean;
}

interface Hold {
  readonly fds: readonly number[];
  readonly letGo: () => Promise<void>;
  /** The last change that was told under these locks; settled with whatever became of it. */
  change: Promise<unknown>;
}

/** As many as there are cores in most machines: whoever works on several things at one time works on so many. */
const MOST = 4;

/** Those of a libvirt URI. */
export function keepVirsh(processes: Processes, program: Command, uri: string): KeptVirsh {
  // Of a session's daemon none is kept: each command has a process of its own.
  const keepsNone = STARTS_DAEMON.test(uri);
  const all = new Set<Kept>();
  /** What is being let go: whoever asks for that again waits for the same. */
  const leaving = new Set<{ readonly fds: readonly number[]; readonly gone: Promise<void> }>();
  let unseen: KeptChild | null = null;

  /** One that is free, rather one that holds these locks already; null where as many as may be are at work. */
  function freeOne(fds: readonly number[]): Kept | null {
    const usable = [...all].filter(({ child }) => !child.isSpoilt);
    const free = usable.filter(({ child }) => !child.isBusy);
    const there = free.find(({ holds }) => holds.has(fds.join())) ?? free[0];
    if (there !== undefined || usable.length >= MOST) return there ?? null;
    const kept = { child: processes.keep(program, { environment: ENVIRONMENT }), holds: new Map(), hasAnswered: false };
    all.add(kept);
    return kept;
  }

  /** Null where there are no locks. */
  function holdOf({ child, holds }: Kept, fds: readonly number[]): Hold | null {
    if (fds.length === 0) return null;
    const held = holds.get(fds.join()) ?? { fds, letGo: child.hold(fds), change: Promise.resolve() };
    holds.set(fds.join(), held);
    return held;
  }

  async function gone(child: KeptChild, held: Hold): Promise<void> {
    await held.change;
    if (child.isSpoilt) {
      child.close();
      await child.ended();
    }
    await held.letGo();
  }

  return {
    async ask(shownAs, lines, exitOf, options) {
      const { inheritFds, as: _, progress: __, extraMs: ___, ...others } = options;
      if (keepsNone || Object.keys(others).length > 0 || !isReadable(lines)) return null;
      const fds = inheritFds ?? [];
      const kept = freeOne(fds);
      if (kept === null) return null;
      const held = holdOf(kept, fds);
      const asked = kept.child.ask(shownAs, typed(lines), exitOf, owedTo(shownAs, options));
      if (held !== null) held.change = asked.catch(() => undefined);
      const result = await asked;
      const answer = { ...result, stderr: result.stderr.replace(NO_HISTORY, "") };
      const isLost = kept.child.isSpoilt || CONNECTION_LOST.test(answer.stderr);
      if (isLost) kept.child.close();
      // Only a question is asked again: what became of a change, nobody knows.
      if (isLost && kept.hasAnswered && inheritFds === undefined) return null;
      kept.hasAnswered = true;
      return answer;
    },
    async askUnseen(shownAs, lines, exitOf, options) {
      if (!lines.every((line) => READABLE.test(line))) throw new Error("virsh would read something else");
      // Its domain runs, so the daemon of a session is there, and is not started by this one.
      if (unseen === null || unseen.isSpoilt) unseen = processes.keep(program, { environment: ENVIRONMENT });
      const child = unseen;
      const result = await child.ask(shownAs, typed(lines), exitOf, owedTo(shownAs, options));
      if (CONNECTION_LOST.test(result.stderr)) child.close();
      return { ...result, stderr: result.stderr.replace(NO_HISTORY, "") };
    },
    prepare(fds) {
      const kept = keepsNone ? null : freeOne(fds);
      if (kept !== null) holdOf(kept, fds);
    },
    async letGo(fds) {
      const areMeant = (held: { readonly fds: readonly number[] }) => held.fds.some((fd) => fds.includes(fd));
      for (const { child, holds } of all) {
        for (const [key, held] of holds) {
          if (!areMeant(held)) continue;
          holds.delete(key); // a change that is told from now on is held anew
          const left = { fds: held.fds, gone: gone(child, held).finally(() => leaving.delete(left)) };
          leaving.add(left);
        }
      }
      await Promise.all([...leaving].filter(areMeant).map((left) => left.gone));
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
