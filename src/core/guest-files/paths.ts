/** Paths of a guest, as people type them. */
import { posix } from "node:path";
import { EstratoError } from "../../errors.ts";
import type { GuestEntry } from "../model/guest-files.ts";
import type { OpenGuest } from "../ports.ts";

/** Throws "usage" where it is relative. No slash ends it, but for the root. */
export function guestPath(word: string): string {
  if (!word.startsWith("/") || word.includes("\0")) {
    throw new EstratoError("usage", `${word || '""'}: it is no absolute path`, {
      hint: "Name it from the guest's root on: /etc/hostname.",
    });
  }
  const path = posix.normalize(word);
  return path === "/" ? path : path.replace(/\/$/, "");
}

/** What is there, links followed within the guest. Throws "not_found". */
export async function entryAt(
  guest: OpenGuest,
  path: string,
  what: string,
): Promise<{ readonly path: string; readonly entry: GuestEntry }> {
  const real = await guest.realPath(path);
  const entry = real === null ? null : await guest.look(real);
  if (real !== null && entry !== null) return { path: real, entry };
  const isLink = (await guest.look(path))?.kind === "link";
  throw new EstratoError("not_found", `${what}: ${path}: ${isLink ? "this link leads nowhere" : "no such file"}`, {
    hint: "See what is there: the same with files, and a folder above it.",
  });
}
