/** From `img-…` or a name to an image. */
import type { Image, State } from "../model/state.ts";
import { find, notFound } from "../names.ts";

/** The image that `target` names. Throws "not_found" where there is none, or several (listed). */
export function findImage(state: State, target: string): Image {
  return find(
    { kind: "image", items: Object.values(state.images), id: (image) => image.id, name: (image) => image.name },
    target,
  );
}

/**
 * The image of this id, looked for again now that its lock is held. Throws "not_found" in the words that were typed.
 */
export function findImageAgain(state: State, id: string, target: string): Image {
  const image = Object.hasOwn(state.images, id) ? state.images[id] : undefined;
  if (image === undefined) throw notFound("image", target);
  return image;
}
