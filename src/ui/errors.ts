/** An error as one line for people, or as one object for programs. */
import { type ErrorCode, EstratoError } from "../errors.ts";
import { printable } from "./text.ts";

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

/** What is thrown and no EstratoError is a fault of ours: "failed", and where to see more. */
export function asEstratoError(error: unknown): EstratoError {
  if (error instanceof EstratoError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new EstratoError("failed", `unexpected: ${message === "" ? "an error without a message" : message}`, {
    hint: UNEXPECTED,
    cause: error,
  });
}

/** `estrato: WHAT: WHY. WHAT TO DO.` on one line. */
export function errorLine(error: EstratoError): string {
  const message = printable(error.message.trim().replaceAll(/\s*\n\s*/g, "; ")).replace(/[.;:]+$/, "");
  return `estrato: ${message}.${error.hint === undefined ? "" : ` ${printable(error.hint)}`}\n`;
}

/** One line of JSON. `command` is what was typed. */
export function errorJson(error: EstratoError, command: string, exit: number): string {
  const { code, message, hint = null } = error;
  return `${JSON.stringify({ error: { code, message, hint, command, exit } })}\n`;
}

/** Where it was thrown, and what caused it, for --trace. */
export function errorTrace(error: EstratoError): string {
  const parts: string[] = [];
  for (let at: unknown = error; at instanceof Error && parts.length < 8; at = at.cause) {
    parts.push(`${at.stack ?? at.message}\n`);
  }
  return parts.join("caused by: ");
}
