/** From `img-…` or a name to an image. */
import type { Image, State } from "../../store/schema.ts";
import { find } from "../names.ts";

/** The image that `target` names. Throws "not_found" where there is none, or several (listed). */
export function findImage(state: State, target: string): Image {
  return find(
    { kind: "image", items: Object.values(state.images), id: (image) => image.id, name: (image) => image.name },
    target,
  );
}
