/** What the file system refused, in words for people. */
import { EstratoError } from "../errors.ts";
import { ANSWERS } from "../system-answer.ts";

/** What is another thing to do about a file of the store. */
const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "Free some space on that file system and run the command again.",
  EDQUOT: "Free some of your quota on that file system and run the command again.",
  EACCES: "Run it as the user who owns the store, or with sudo.",
  EPERM: "Run it as the user who owns the store, or with sudo.",
  EROFS: "Mount that file system writable, or name another store with --store.",
  ENOTDIR: "Name another store with --store.",
};

/** The "host" error for a failed system call on `path`; an error that is EstratoError already passes through. */
export function hostError(path: string, error: unknown): EstratoError {
  if (error instanceof EstratoError) return error;
  const code = errnoOf(error);
  const [answer, advice] = ANSWERS[code] ?? [];
  const words = answer ?? (error instanceof Error ? error.message : String(error));
  const hint = HINTS[code] ?? advice;
  return new EstratoError("host", `${path}: ${words}`, { cause: error, ...(hint === undefined ? {} : { hint }) });
}

/** The name of the errno, "" where there is none. */
export function errnoOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return typeof code === "string" ? code : "";
}
