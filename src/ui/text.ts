/** Text that others wrote, made harmless for a terminal, and measured as a terminal shows it. */

import { shortened } from "../shortened.ts";
import { UNSAFE, UNSAFE_IN_JSON } from "../unsafe-text.ts";

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * One line without control characters: each is shown escaped (`\n`, `\x1b`), so that a name can neither move a cursor
 * nor forge a row.
 */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0);
    const hex = code.toString(16);
    return SHORT[character] ?? (code < 0x100 ? `\\x${hex.padStart(2, "0")}` : `\\u${hex.padStart(4, "0")}`);
  });
}

/** The same without the newlines, for a text of several lines. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

/**
 * JSON that is as harmless, and means the same: what JSON itself lets pass is escaped too. The newlines that it writes,
 * of which there are many, are between lines.
 */
export function jsonText(value: unknown, indent?: number): string {
  return (JSON.stringify(value, undefined, indent) ?? "null").replace(
    UNSAFE_IN_JSON,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A hundred lines of a terminal: ours have two or three, and with two of the longest paths still no more. */
const LONGEST_MESSAGE = 8000;

/**
 * The same of a message, a note or a question, which may hold what a child, a guest or a file of others says: no more
 * of it than leaves on the screen what stood there before.
 */
export function told(text: string): string {
  return printable(shortened(text, LONGEST_MESSAGE));
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII and nothing else
const ASCII = /^[\u0000-\u007f]*$/;

/** Is it as wide as it is long? What else is shown wide, or joined, needs a package to tell. */
export function isAscii(text: string): boolean {
  return ASCII.test(text);
}

/**
 * `text` in at most `width` columns, with an ellipsis where some of it is gone: of what is not ASCII each counts as two
 * columns, which is never too few.
 */
export function fitted(text: string, width: number): string {
  let kept = "";
  let used = 0;
  let fits = ""; // what is kept where it does not end here
  for (const character of text) {
    used += isAscii(character) ? 1 : 2;
    kept += character;
    if (used < width) fits = kept;
    if (used > width) return `${fits}…`;
  }
  return kept;
}

/**
 * Parts side by side, in as many lines as they need where `columns` are all there is; none of them is broken. `shown`:
 * the same parts, painted.
 */
export function flowed(parts: readonly string[], shown: readonly string[], columns: number | null): string {
  const gap = "   ";
  let text = "";
  let width = 0;
  for (const [index, part] of parts.entries()) {
    const isNext = index === 0 || width + gap.length + part.length > (columns ?? Number.POSITIVE_INFINITY);
    text += `${index === 0 ? "" : isNext ? "\n" : gap}${shown[index] ?? part}`;
    width = (isNext ? 0 : width + gap.length) + part.length;
  }
  return text;
}
