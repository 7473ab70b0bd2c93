/** What every action is carried out with. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Action, PerformOptions } from "../../core/model/action.ts";
import type { DomainState } from "../../core/model/host.ts";
import { NoAnswer } from "../../errors.ts";
import type { RunOptions } from "../child.ts";
import { SYSTEM_FOLDERS } from "../libvirt-folders.ts";
import { withFolder } from "../own-folder.ts";
import { CHANGE_TAKES } from "../patience.ts";
import type { Processes } from "../process.ts";
import type { Virsh } from "../virsh.ts";
import { commandsFor, type VirshWords } from "./commands.ts";

export type ActionOf<Do extends Action["do"]> = Extract<Action, { do: Do }>;

export interface ActionContext {
  readonly processes: Processes;
  readonly virsh: Virsh;
  readonly options: PerformOptions;
  /** Resolves after `ms`; "interrupted" where the operation's signal comes first. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs: () => number;
}

/** Nothing of it runs; also where there is no such domain. */
export function isOff(state: DomainState | null): boolean {
  return state === null || state === "shutoff" || state === "crashed";
}

/** A child that changes things inherits the locks, so that they outlive us until it ends. */
export function holdingLocks(context: ActionContext): RunOptions {
  return { inheritFds: context.options.lockFds ?? [] };
}

const WORDS_ALONE: VirshWords = { command: (...args) => ({ program: "virsh", args }), folders: SYSTEM_FOLDERS };

/** The words of virsh's command for an action that is one: none where it is not. */
export function virshWords(action: Action): readonly string[] | undefined {
  return commandsFor(action, WORDS_ALONE)[0]?.args;
}

/** Hands `use` a document as a file of our own, mode 0600: a definition may hold a password of the screen. */
export async function withFile<T>(text: string, use: (path: string) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    const path = join(folder, "document.xml");
    writeFileSync(path, text, { mode: 0o600 });
    return use(path);
  });
}

/**
 * For what libvirt and QEMU do while we look: to be told what is seen of it each time. Throws NoAnswer where that has
 * not changed for as long as a change may take.
 */
export function requireProgress({ nowMs, processes }: ActionContext, what: string): (seen: unknown) => void {
  let last: string | undefined;
  let sinceMs = nowMs();
  return (seen) => {
    const now = JSON.stringify(seen);
    if (now !== last) sinceMs = nowMs();
    last = now;
    const stillMs = nowMs() - sinceMs;
    if (stillMs >= CHANGE_TAKES * processes.limitMs) {
      throw new NoAnswer(`${what}: no progress for ${Math.round(stillMs / 1000)} s`, {
        hint: "The guest may stand still, or its storage. What it was told may still be done.",
      });
    }
  };
}

/** Doubles from 10 ms to 200 ms: short jobs are seen at once, long ones cost little. */
export function* backOffMs(): Generator<number, never> {
  for (let ms = 10; ; ms = Math.min(ms * 2, 200)) yield ms;
}
