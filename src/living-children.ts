/**
 * The children that are alive now, whoever started them. A leaf: host and store enter theirs, and main ends them where
 * the command is ended at once.
 */
import type { ChildProcess } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

const living = new Map<ChildProcess, { readonly isLeader: boolean }>();

/** Between SIGTERM and SIGKILL. */
const PATIENCE_MS = 500;
const LOOK_MS = 20;

/** Knows a child until it has ended. `isLeader`: it leads a process group of its own (detached). */
export function knowChild(child: ChildProcess, isLeader: boolean): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null || living.has(child)) return;
  living.set(child, { isLeader });
  child.once("exit", () => living.delete(child));
}

/** To a child, and to all in the group that it leads. No error where it has ended. */
export function signalChild(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): void {
  if (child.pid === undefined || child.pid <= 1) return;
  try {
    process.kill(living.get(child)?.isLeader === false ? child.pid : -child.pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

/** Ends all of them: politely, and where that does not help, not. What sleeps in the kernel is left to it. */
export async function endLivingChildren(): Promise<void> {
  for (const child of living.keys()) signalChild(child, "SIGTERM");
  for (let waitedMs = 0; living.size > 0 && waitedMs < PATIENCE_MS; waitedMs += LOOK_MS) await delay(LOOK_MS);
  for (const child of living.keys()) signalChild(child, "SIGKILL");
}
