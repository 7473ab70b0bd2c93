/** Ends a child and all that it started when its time is over: politely, and where that does not help, not. */

/** Between SIGTERM and SIGKILL: time to take down what was put up. */
const PATIENCE_MS = 5_000;

interface Child {
  readonly pid?: number | undefined;
  readonly stdout: { destroy(): unknown } | null;
  readonly stderr: { destroy(): unknown } | null;
}

export interface TimeLimit {
  readonly reached: boolean;
  /** To be called when the child has ended. */
  clear(): void;
}

/** The child must lead a process group of its own (detached). */
export function timeLimit(child: Child, afterMs: number): TimeLimit {
  let reached = false;
  const timers = [
    setTimeout(() => {
      reached = true;
      signalGroup(child, "SIGTERM");
    }, afterMs),
    setTimeout(() => {
      signalGroup(child, "SIGKILL");
      // Who left the group may hold the other end for ever.
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, afterMs + PATIENCE_MS),
  ];
  return {
    get reached() {
      return reached;
    },
    clear: () => timers.forEach(clearTimeout),
  };
}

function signalGroup({ pid }: Child, signal: "SIGTERM" | "SIGKILL"): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}
