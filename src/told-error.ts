/** Any error, as one for people. */
import { doingOf, type EstratoError } from "./errors.ts";
import { keepFault } from "./fault-file.ts";
import { asEstratoError, errorTrace, isFault } from "./ui/errors.ts";

/** The trace of one that nobody expected is kept in a file, which the hint names. `command`: what was typed. */
export function toldError(
  error: unknown,
  command: string,
  env: Readonly<Record<string, string | undefined>>,
): EstratoError {
  if (!isFault(error)) return asEstratoError(error);
  const doing = doingOf(error);
  const trace = errorTrace(asEstratoError(error, doing));
  return asEstratoError(error, doing, keepFault(`${command}\n${trace}`, env, new Date()));
}
