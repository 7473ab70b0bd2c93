/** A leaf: every part may import it. */

const UNSEEN = "\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff";

/** Control characters, and the marks that nobody sees: of a text's direction, and of its beginning. */
export const UNSAFE = new RegExp(`[\\u0000-\\u001f${UNSEEN}]`, "g");

/** What JSON itself lets pass of these. */
export const UNSAFE_IN_JSON = new RegExp(`[${UNSEEN}]`, "g");
