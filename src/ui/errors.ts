/** An error as one line for people, or as one object for programs. */
import { type ErrorCode, EstratoError } from "../errors.ts";
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

/** What the machine answers to a call of ours, whoever is at fault: "host". */
const ANSWERS: Readonly<Record<string, readonly [words: string, hint: string]>> = {
  EPERM: ["operation not permitted", "See who owns it, and whether it is marked as unchangeable (lsattr)."],
  EACCES: ["permission denied", "Run it as the user who owns it, or with sudo."],
  EROFS: ["the file system is read-only", "Mount it writable."],
  ENOSPC: ["no space left on the file system", "Free some space there and run the command again."],
  EDQUOT: ["the disk quota is used up", "Free some of your quota there and run the command again."],
  EIO: ["the disk does not read or write it", "Look into the kernel's log (dmesg): the disk may be failing."],
  ESTALE: ["its file system has gone", "Mount it again."],
  ENOTCONN: ["its file system has gone", "Mount it again."],
  EHOSTDOWN: ["its file system does not answer", "Look at the server that it comes from."],
  ETIMEDOUT: ["its file system does not answer", "Look at the server that it comes from."],
  EMFILE: ["too many files are open", "Raise the limit (ulimit -n)."],
  ENFILE: ["too many files are open on this machine", "Raise the limit (fs.file-max)."],
  ENOMEM: ["there is not enough memory", "Free some memory."],
  EFBIG: ["it would be larger than the file system allows", "Use another file system."],
  ELOOP: ["its links lead in a circle", "Mend the links."],
  ENAMETOOLONG: ["its name is too long", "Give shorter names."],
  ETXTBSY: ["it is being run", "Wait until it has ended."],
  EBUSY: ["it is in use", "Wait until it is free."],
};

/** What a call of the system answered, with its file; null where it is something else. */
function answerOf(error: unknown): EstratoError | null {
  if (!(error instanceof Error)) return null;
  const { code = "", path, dest, syscall } = error as NodeJS.ErrnoException & { readonly dest?: string };
  const [words, hint] = ANSWERS[code] ?? [];
  if (words === undefined || hint === undefined || syscall === undefined) return null;
  const what = [path, dest].filter((one) => one !== undefined).join(", ") || syscall;
  return new EstratoError("host", `${what}: ${words} (${syscall})`, { hint, cause: error });
}

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
  const message = error instanceof Error ? error.message : String(error);
  return new EstratoError(
    "failed",
    `unexpected${doing === "" ? "" : ` (${doing})`}: ${message === "" ? "an error without a message" : message}`,
    {
      hint: kept === null ? UNEXPECTED : `This is a fault in estrato: its trace is in ${kept}; please report it.`,
      cause: error,
    },
  );
}

/** `estrato: WHAT: WHY. WHAT TO DO.` on one line. */
export function errorLine(error: EstratoError): string {
  const message = told(error.message.trim().replaceAll(/\s*\n\s*/g, "; ")).replace(/[.;:]+$/, "");
  return `estrato: ${message}.${error.hint === undefined ? "" : ` ${told(error.hint)}`}\n`;
}

/** One line of JSON. `command` is what was typed. */
export function errorJson(error: EstratoError, command: string, exit: number): string {
  const { code, message, hint = null } = error;
  return `${jsonText({ error: { code, message, hint, command, exit } })}\n`;
}

/** Where it was thrown, and what caused it, for --trace: the messages in it may be others' words. */
export function errorTrace(error: EstratoError): string {
  const parts: string[] = [];
  for (let at: unknown = error; at instanceof Error && parts.length < 8; at = at.cause) {
    parts.push(`${printableLines(at.stack ?? at.message)}\n`);
  }
  return parts.join("caused by: ");
}
