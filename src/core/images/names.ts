/** Names of images: unique, and claimed under a lock so that of two creates of one name at once only one wins. */
import { createHash } from "node:crypto";
import type { State } from "../model/state.ts";
import { requireFree } from "../names.ts";

/** Beyond this many bytes a lock's file name could be too long once encoded (each byte may become three). */
const LONGEST_PLAIN_BYTES = 60;

/** The lock that whoever makes, or renames, an image to `name` holds. */
export function imageNameLock(name: string): string {
  if (Buffer.byteLength(name) <= LONGEST_PLAIN_BYTES) return `name-image-${name}`;
  return `name-image-${createHash("sha256").update(name).digest("hex")}`;
}

/** Throws "conflict" where another image has this name. `except`: the id of the image that may have it. */
export function requireFreeImageName(state: State, name: string, except: string | null = null): void {
  const others = Object.values(state.images).filter((image) => image.id !== except);
  requireFree(
    "image",
    name,
    others.map((image) => image.name),
  );
}
