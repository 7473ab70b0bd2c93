/** Who may read a layer's file, as the state says it: the one place from which modes and ACLs come. Pure. */
import { sharedLayers } from "../graph/shared-layers.ts";
import type { Action } from "../model/action.ts";
import type { Image, Layer, State } from "../model/state.ts";
import { freezeFile } from "../modes.ts";

/** With whom an image is shared. */
export interface Audience {
  readonly everybody: boolean;
  readonly users: readonly { readonly name: string; readonly uid: number }[];
}

export const NOBODY: Audience = { everybody: false, users: [] };

export function audienceOf(image: Image | undefined): Audience {
  return { everybody: image?.visibility === "public", users: image?.sharedWith ?? [] };
}

/** Inside a transaction. */
export function setAudience(image: Image, { everybody, users }: Audience): void {
  image.visibility = everybody ? "public" : users.length > 0 ? "shared" : "private";
  if (users.length > 0) image.sharedWith = users.map((user) => ({ ...user }));
  else delete image.sharedWith;
}

/** "bob, carol and everybody". */
export function audienceWords({ everybody, users }: Audience): string {
  return [...users.map(({ name }) => name), ...(everybody ? ["everybody"] : [])]
    .join(", ")
    .replace(/, ([^,]*)$/, " and $1");
}

/** All who are let in by any of these images. */
export function together(images: Iterable<Image>): Audience {
  const users = new Map<number, Audience["users"][number]>();
  let everybody = false;
  for (const image of images) {
    const audience = audienceOf(image);
    everybody ||= audience.everybody;
    for (const user of audience.users) users.set(user.uid, user);
  }
  return { everybody, users: [...users.values()].sort((a, b) => a.uid - b.uid) };
}

/** Opens `path` to the audience. `bits`: what they may do with it, one octal digit; `owner`: what its owner may. */
export function openTo({ everybody, users }: Audience, path: string, owner: number, bits: number): Action {
  const mode = (owner << 6) | (users.length > 0 ? bits << 3 : 0) | (everybody ? bits : 0);
  return { do: "set-access", path, mode, readers: users.map(({ uid }) => uid) };
}

const READ = 4;

/**
 * What gives a frozen layer's file the mode and the readers that the state says. Of one that is lent by no image: mode
 * 0400 and nobody.
 */
export function frozenAccess(state: State, layer: Layer): Extract<Action, { do: "set-access" | "set-mode" }> {
  if (layer.foreign !== null) return freezeFile(layer); // it may have ACLs of its owner's
  const images = sharedLayers(state).get(layer.id) ?? [];
  return openTo(together(images), layer.file, READ, READ) as Extract<Action, { do: "set-access" }>;
}
