/** Names that become file names inside the store: none of them may lead out of its folder or hide in it. */
import { EstratoError } from "../errors.ts";

/** Leaves room for an extension and for the suffix of a temporary file within the 255 bytes of a file name. */
const LONGEST_BYTES = 200;

/**
 * Gives back `name` when it can stand as a file name in a folder of the store.
 * Throws "usage" otherwise; `what` says what kind of name it is.
 */
export function checkedFileName(what: string, name: string): string {
  const fits = name.length > 0 && Buffer.byteLength(name) <= LONGEST_BYTES && !name.startsWith(".");
  if (!fits || hasForbiddenCharacter(name)) {
    throw new EstratoError("usage", `${what} ${JSON.stringify(name)}: not a name for a file of the store`, {
      hint: `Use 1 to ${LONGEST_BYTES} bytes, with no "/", no control characters and no leading dot.`,
    });
  }
  return name;
}

function hasForbiddenCharacter(name: string): boolean {
  for (const character of name) {
    const point = character.codePointAt(0) ?? 0;
    if (character === "/" || point < 0x20 || point === 0x7f) return true;
  }
  return false;
}
