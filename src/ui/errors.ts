/** An error as one line for people, or as one object for programs. */
import { type ErrorCode, EstratoError } from "../errors.ts";
import { answerOf, wordsOf } from "../system-answer.ts";
import { object, oneOf, orNull, TEXT, WHOLE } from "./output/shape.ts";
import { jsonText, printableLines, told } from "./text.ts";

/** CLI.md, "Exit codes". */
export const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  failed: 1,
  usage: 2,
  partial: 3,
  not_found: 4,
  conflict: 5,
  host: 6,
  timeout: 7,
  needs_yes: 8,
  integrity: 9,
  interrupted: 130,
  unreachable: 255,
};

const UNEXPECTED = "This is a fault in estrato: run it again with --trace to see where.";

/** Is it neither meant for people nor an answer of the machine's? */
export function isFault(error: unknown): boolean {
  return !(error instanceof EstratoError) && answerOf(error) === null;
}

/**
 * What is thrown and no EstratoError is an answer of the machine's ("host"), or a fault of ours: "failed", and where to
 * see more. `doing`: at which step; `kept`: the file that holds its trace.
 */
export function asEstratoError(error: unknown, doing = "", kept: string | null = null): EstratoError {
  if (error instanceof EstratoError) return error;
  const answer = answerOf(error);
  if (answer !== null) return answer;
  const message = wordsOf(error);
  return new EstratoError(
    "failed",
    `unexpected${doing === "" ? "" : ` (${doing})`}: ${message === "" ? "an error without a message" : message}`,
    {
      hint: kept === null ? UNEXPECTED : `This is a fault in estrato: its trace is in ${kept}; please report it.`,
      cause: error,
    },
  );
}

const MEANWHILE = 'It was otherwise when it was looked at: try again, and if it stays so, see "estrato doctor".';

const TRACE = "The same line with --trace shows the commands that were run.";

/**
 * The next command where an error names none. All that can refuse is asked before anything is done (DESIGN.md,
 * invariant 6), and refused with a hint: what is found out later has changed meanwhile, or was never what is recorded.
 */
const NEXT: Partial<Record<ErrorCode, string>> = {
  not_found: MEANWHILE,
  conflict: MEANWHILE,
  integrity: "What differs is told by: estrato doctor.",
  host: TRACE,
  failed: TRACE,
};

/** What to do about it. What sums up other errors, or passes one on, says no more than these. */
function hintOf({ code, hint, cause }: EstratoError): string | undefined {
  return hint ?? (cause instanceof EstratoError ? undefined : NEXT[code]);
}

/** `estrato: WHAT: WHY. WHAT TO DO.` on one line. */
export function errorLine(error: EstratoError): string {
  const message = told(error.message.trim().replaceAll(/\s*\n\s*/g, "; ")).replace(/[.;:]+$/, "");
  const hint = hintOf(error);
  return `estrato: ${message}.${hint === undefined ? "" : ` ${told(hint)}`}\n`;
}

/** What `errorJson` writes. */
export const ERROR_SHAPE = object({
  error: object({
    code: oneOf(...Object.keys(EXIT_CODES)),
    message: TEXT,
    hint: orNull(TEXT),
    command: TEXT,
    exit: WHOLE,
  }),
});

/** One line of JSON. `command` is what was typed. */
export function errorJson(error: EstratoError, command: string, exit: number): string {
  const { code, message } = error;
  return `${jsonText({ error: { code, message, hint: hintOf(error) ?? null, command, exit } })}\n`;
}

/** Where it was thrown, and what caused it, for --trace: the messages in it may be others' words. */
export function errorTrace(error: EstratoError): string {
  const parts: string[] = [];
  for (let at: unknown = error; at instanceof Error && parts.length < 8; at = at.cause) {
    parts.push(`${printableLines(at.stack ?? at.message)}\n`);
  }
  return parts.join("caused by: ");
}
