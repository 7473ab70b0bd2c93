/**
 * Layers that others read behind our back: those under an image that is shared. While it is, their files stay as and
 * where they are.
 */
import type { Image, State } from "../model/state.ts";
import { oncePerState } from "./once-per-state.ts";
import { chainOrNull } from "./references.ts";

/** By layer: the shared images that stand on it or are it. */
export const sharedLayers = oncePerState((state: State): ReadonlyMap<string, readonly Image[]> => {
  const shared = new Map<string, Image[]>();
  for (const image of Object.values(state.images)) {
    if (image.visibility === "private") continue;
    const layers = new Set(image.disks.flatMap(({ layer }) => chainOrNull(state, layer) ?? [layer]));
    for (const id of layers) shared.set(id, [...(shared.get(id) ?? []), image]);
  }
  return shared;
});
