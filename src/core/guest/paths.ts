/** Paths in a guest, as people write them, and names that nothing there has. */

import { EstratoError } from "../../errors.ts";
import { randomDigits } from "../../random.ts";
import type { Guest } from "./guest.ts";

/** Linux takes no longer one (PATH_MAX). */
const LONGEST_BYTES = 4095;

/** Throws "usage" for one that is not absolute, or that no file has. */
export function requireGuestPath(path: string): void {
  const bad = (why: string, hint: string) =>
    new EstratoError("usage", `${JSON.stringify(path)} in the guest: ${why}`, { hint });
  if (!path.startsWith("/")) throw bad("it is not absolute", "Begin it with /.");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it must not hold
  if (/[\u0000-\u001f\u007f]/.test(path)) throw bad("it holds a control character", "Name another.");
  if (Buffer.byteLength(path) > LONGEST_BYTES) throw bad("it is too long", "Name another.");
}

/** Of a hidden file or folder of ours there: of the guest's, whoever else's store knows it. */
export function freshName(kind: "exec" | "push"): string {
  return `.estrato-${randomDigits(24)}.${kind}`;
}

/** The exit codes by which scripts say that a path is none of a regular file. */
export const IS_FOLDER = 11;
export const IS_IRREGULAR = 12;
export const IS_MISSING = 15;

/** What such a code means; null: it is none of these. */
export function notAFile({ name }: Guest, path: string, exit: number): EstratoError | null {
  const what = `instance ${name}: ${path}`;
  const there = `estrato instance exec ${name} --`;
  if (exit === IS_FOLDER) {
    return new EstratoError("usage", `${what}: it is a folder`, {
      hint: `Name a file. A whole folder as an archive: ${there} tar -cf - FOLDER > FILE.`,
    });
  }
  if (exit === IS_IRREGULAR)
    return new EstratoError("conflict", `${what}: it is no regular file`, { hint: "Name a file." });
  if (exit !== IS_MISSING) return null;
  return new EstratoError("not_found", `${what}: there is no such file or folder`, {
    hint: `Look what is there: ${there} ls -l FOLDER.`,
  });
}
