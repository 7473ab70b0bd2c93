/**
 * The modes of files, which say who may write: frozen files are 0400, which stops even root's libvirt from writing one.
 */
import type { Action } from "./model/action.ts";
import type { Layer } from "./model/state.ts";

/** Of our own files that nobody writes any longer. */
export const FROZEN = 0o400;
/** Of our own files that somebody writes: a head, or a file that a merge writes into. */
export const WRITABLE = 0o600;

type SetMode = Extract<Action, { do: "set-mode" }>;

/**
 * A user's own file has the mode that it had, since who runs the guest may need it so (a group, say); frozen it only
 * loses its write bits.
 */
export function freezeFile({ file: path, foreign }: Layer): SetMode {
  return { do: "set-mode", path, mode: foreign === null ? FROZEN : foreign.mode & ~0o222 };
}

/** The mode of a layer that may be written: a head, or a file that a merge writes into. */
export function thawFile({ file: path, foreign }: Layer): SetMode {
  return { do: "set-mode", path, mode: foreign?.mode ?? WRITABLE };
}
