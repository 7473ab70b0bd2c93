/** How a child process is run, and what is known of it when it has ended. */
import type { Owed } from "./patience.ts";

/** What `--trace` shows of a child that has ended. */
export interface ChildTrace {
  readonly program: string;
  readonly args: readonly string[];
  readonly ms: number;
  readonly exit: number | null; // null: ended by a signal or never started
}

export interface RunOptions {
  /** Written to the child's standard input; without it the child has none. */
  readonly input?: string;
  /** "latin1": input and standard output are bytes, a character each; without it they are UTF-8. */
  readonly encoding?: "latin1";
  /** Descriptors that the child inherits, as 3, 4, …: a lock lives until the last holder is gone. */
  readonly inheritFds?: readonly number[];
  /** Ends the child with SIGTERM. Only for children that may be cut at any instant. */
  readonly signal?: AbortSignal;
  /** Added to the child's environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Then the child ends, and all that it started: "timeout". */
  readonly timeoutMs?: number;
  /** What it is owed; where it is left out, what its program and its locks say (process.ts). */
  readonly as?: Owed["as"];
  /** As `Owed` says. */
  readonly progress?: () => Promise<unknown>;
  /** Milliseconds that it may take beyond the host's time limit: it has one of its own. */
  readonly extraMs?: number;
  /**
   * The kernel ends it when we are gone, however that was: nobody else would see that what has no end of its own fills
   * the disk (setpriv(1), --pdeathsig).
   */
  readonly endsWithUs?: boolean;
  /** What it leaves at work behind it may hold its output, and outlive us: it has ended when it has itself. */
  readonly leavesBehind?: boolean;
  /** Each piece of standard output as it comes (progress lines). */
  readonly onOutput?: (text: string) => void;
}

/** How a child ended, whatever the way. */
export interface ChildResult {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
