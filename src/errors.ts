/**
 * The one error type that the parts of estrato throw at each other. A leaf: every part may import it.
 * Only main.ts turns a code into an exit code.
 */
import { inKnownNames } from "./descriptor-names.ts";

/** What went wrong, by kind; CLI.md's exit codes stand behind these names one to one. */
export type ErrorCode =
  | "failed" // 1: a child command failed
  | "usage" // 2: a malformed name, size, option or combination
  | "partial" // 3: some targets failed, some did not
  | "not_found" // 4: not found, or ambiguous
  | "conflict" // 5: wrong state, dependants, name taken, protected, an operation in progress
  | "host" // 6: the host or a file does not serve
  | "timeout" // 7: time-out; the work may go on
  | "needs_yes" // 8: needs a yes, and nobody to ask
  | "integrity" // 9: what is there is not what was recorded
  | "interrupted" // 130
  | "unreachable"; // 255: no way into the guest; ours failed, not the command there

export interface ErrorDetail {
  /** What to do about it: one sentence that ends with a full stop. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/**
 * The exit code is said by others: a program that was given the terminal (ssh, a console) ended so, or monitoring wants
 * it so (`check`). What there is to say has been said. Thrown only where the code is not 0.
 */
export class ChildExit extends Error {
  readonly exit: number;

  constructor(exit: number) {
    super(`exit code ${exit}`);
    this.name = "ChildExit";
    this.exit = exit;
  }
}

/**
 * An error meant for the user: printed as `estrato: WHAT: WHY. WHAT TO DO.`
 * `message` is "WHAT: WHY" without a final full stop, on one line.
 */
export class EstratoError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(inKnownNames(message), { cause: detail.cause });
    this.name = "EstratoError";
    this.code = code;
    this.hint = detail.hint === undefined ? undefined : inKnownNames(detail.hint);
  }
}

const DOING = Symbol("what was being done");

/** Notes at which step an error was thrown that nobody expected. Returns it. */
export function whileDoing(error: unknown, doing: string): unknown {
  if (error instanceof Error && !(error instanceof EstratoError) && doingOf(error) === "")
    Object.defineProperty(error, DOING, { value: doing });
  return error;
}

/** What whileDoing noted; "" where it did not. */
export function doingOf(error: unknown): string {
  return error instanceof Error ? ((error as { [DOING]?: string })[DOING] ?? "") : "";
}

/**
 * "timeout" of a host that does not answer: a child was ended that was asked, or told to do something. What it was told
 * may still be done, so nothing of it is undone before the host answers again.
 */
export class NoAnswer extends EstratoError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super("timeout", message, detail);
    this.name = "NoAnswer";
  }
}

/** "host": a passphrase does not open what it was to open. */
export class WrongPassphrase extends EstratoError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super("host", message, detail);
    this.name = "WrongPassphrase";
  }
}
