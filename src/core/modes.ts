/**
 * The modes of files, which say who may write: frozen files are 0400, which stops even root's libvirt from writing one.
 */
import { chainOrNull } from "./graph/references.ts";
import type { Action } from "./model/action.ts";
import type { Layer, State } from "./model/state.ts";

/** Of our own files that nobody writes any longer. */
export const FROZEN = 0o400;
/** Of our own files that somebody writes: a head, or a file that a merge writes into. */
export const WRITABLE = 0o600;

type Foreign = NonNullable<Layer["foreign"]>;
type SetMode = Extract<Action, { do: "set-mode" }>;

/**
 * A user's own file has the mode that it had, since who runs the guest may need it so (a group, say); frozen it only
 * loses its write bits.
 */
export function freezeFile({ file: path, foreign }: Layer): SetMode {
  return { do: "set-mode", path, mode: foreign === null ? FROZEN : foreign.mode & ~0o222 };
}

/**
 * The mode of a layer that may be written: a head, or a file that a merge writes into. A user's own gets the owner's
 * write bit where it has none (DESIGN.md, invariant 5): what was merged into it is to come back to it.
 */
export function thawFile({ file: path, foreign }: Layer): SetMode {
  return { do: "set-mode", path, mode: foreign === null ? WRITABLE : foreign.mode | 0o200 };
}

/**
 * Gives a user's own file the owner and mode back that it had (owner first: chown clears bits of the mode), where he
 * has not taken it away. `byLibvirt`: libvirt gives the owner back, when the guest stops.
 */
export function giveBack(path: string, { uid, gid, mode }: Foreign, byLibvirt: boolean): Action[] {
  const owner: Action[] = byLibvirt ? [] : [{ do: "set-owner", path, uid, gid }];
  return [...owner, { do: "set-mode", path, mode, ifThere: true }];
}

/** A layer as it is to be: frozen where it is recorded so, writable otherwise. */
export function modeOf(layer: Layer): SetMode {
  return layer.frozen ? freezeFile(layer) : thawFile(layer);
}

/** What keeps the files below a layer that were there before us from being written; nothing where that is not ours. */
export function freezeTemplates(state: State, layer: string): SetMode[] {
  return (chainOrNull(state, layer) ?? [])
    .flatMap((id) => state.layers[id] ?? [])
    .filter((one) => one.id !== layer && one.foreign?.template === "held")
    .map(freezeFile);
}
