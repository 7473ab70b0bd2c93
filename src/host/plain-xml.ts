/**
 * Reads the XML that libvirt writes, in a fifth of the time that the parser takes to be loaded. It knows elements,
 * attributes, text and comments, and answers null to whatever else stands there, or stands there wrong: the parser says
 * then what that is. Source: w3.org/TR/xml.
 */

/** The part of a DOM element that readers use. */
export interface ReadElement {
  readonly nodeType: number;
  readonly tagName: string;
  readonly namespaceURI: string | null;
  readonly textContent: string | null;
  readonly childNodes: ArrayLike<{ readonly nodeType: number }>;
  hasAttribute(name: string): boolean;
  getAttribute(name: string): string | null;
}

interface PlainText {
  readonly nodeType: 3;
  readonly textContent: string;
}

/** Offsets in the text that was read: of its start tag, and behind that and behind all of it. */
interface Place {
  readonly start: number;
  readonly inner: number;
  end: number;
}

export class PlainElement implements ReadElement {
  readonly nodeType = 1;
  readonly tagName: string;
  readonly childNodes: (PlainElement | PlainText)[] = [];
  readonly attributes: ReadonlyMap<string, string>;
  readonly parent: PlainElement | undefined;
  readonly place: Place;

  constructor(
    tagName: string,
    attributes: ReadonlyMap<string, string>,
    parent: PlainElement | undefined,
    [start, inner]: readonly [number, number],
  ) {
    this.tagName = tagName;
    this.attributes = attributes;
    this.parent = parent;
    this.place = { start, inner, end: inner };
  }

  get namespaceURI(): string | null {
    const [prefix, local] = this.tagName.split(":");
    return this.declared(local === undefined ? "xmlns" : `xmlns:${prefix}`) || null;
  }

  /** What the nearest one around it that has this attribute says. */
  declared(name: string): string | undefined {
    return this.attributes.get(name) ?? this.parent?.declared(name);
  }

  hasAttribute(name: string): boolean {
    return this.attributes.has(name);
  }

  getAttribute(name: string): string | null {
    return this.attributes.get(name) ?? null;
  }

  get textContent(): string {
    return this.childNodes.map((node) => node.textContent).join("");
  }
}

/** All else is left to the parser: controls, which it must refuse, and what somebody could take for a blank. */
const STRANGE = /[^\t\n\x20-\x7e\u00c0-\u167f]/;
const NAME = "[A-Za-z_][\\w.-]*(?::[A-Za-z_][\\w.-]*)?";
const ATTRIBUTE = `[ \\t\\n]+${NAME}=(?:"[^"<\\t\\n]*"|'[^'<\\t\\n]*')`;
const TAG = new RegExp(
  `<!--(?:(?!--)[\\s\\S])*-->|</(${NAME})[ \\t\\n]*>|<(${NAME})((?:${ATTRIBUTE})*)[ \\t\\n]*(/?)>`,
  "y",
);
const REFERENCE = /&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([a-z]{2,4}));|&/g;
const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
/** Deeper ones are for the parser to refuse. */
const DEEPEST = 256;

/** Thrown and caught here alone. */
class NotPlain extends Error {}

/** The root of a document; null where only the parser can tell, of what is well-formed or not. */
export function readPlain(text: string): ReadElement | null {
  try {
    return STRANGE.test(text) ? null : rootOf(text);
  } catch (error) {
    if (error instanceof NotPlain) return null;
    throw error;
  }
}

function rootOf(text: string): PlainElement {
  const open: PlainElement[] = [];
  let root: PlainElement | undefined;
  for (let at = 0; at < text.length; at = TAG.lastIndex) {
    const parent = open.at(-1);
    const next = text.indexOf("<", at);
    const from = next < 0 ? text.length : next;
    if (from > at) addText(parent, text.slice(at, from));
    if (next < 0) break;
    TAG.lastIndex = from;
    const found = TAG.exec(text);
    if (found === null) throw new NotPlain();
    const [, closing, opening, attributes = "", empty] = found;
    if (closing !== undefined) {
      if (open.pop()?.tagName !== closing || parent === undefined) throw new NotPlain();
      parent.place.end = TAG.lastIndex;
    } else if (opening !== undefined) {
      if ((parent === undefined && root !== undefined) || open.length >= DEEPEST) throw new NotPlain();
      const element = new PlainElement(opening, attributesOf(attributes), parent, [from, TAG.lastIndex]);
      if (opening.includes(":") || attributes.includes(":")) requireBound(element);
      root ??= element;
      parent?.childNodes.push(element);
      if (empty === "") open.push(element);
    }
  }
  if (root === undefined || open.length > 0) throw new NotPlain();
  return root;
}

function addText(parent: PlainElement | undefined, words: string): void {
  if (parent !== undefined && !words.includes("]]>"))
    parent.childNodes.push({ nodeType: 3, textContent: decoded(words) });
  else if (words.trim() !== "") throw new NotPlain();
}

/** Of half of all elements. */
const NO_ATTRIBUTES: ReadonlyMap<string, string> = new Map();

function attributesOf(text: string): ReadonlyMap<string, string> {
  if (text === "") return NO_ATTRIBUTES;
  const found = new Map<string, string>();
  for (let at = 0; at < text.length; ) {
    const equals = text.indexOf("=", at);
    const name = text.slice(at, equals).trimStart();
    const end = text.indexOf(text.charAt(equals + 1), equals + 2);
    if (found.has(name)) throw new NotPlain();
    found.set(name, decoded(text.slice(equals + 2, end)));
    at = end + 1;
  }
  return found;
}

/** A prefix that nobody has declared means nothing. */
function requireBound(element: PlainElement): void {
  for (const name of [element.tagName, ...element.attributes.keys()]) {
    const [prefix = "", local] = name.split(":");
    if (local === undefined || prefix === "xmlns") continue;
    if (element.declared(`xmlns:${prefix}`) === undefined) throw new NotPlain();
  }
}

function decoded(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(REFERENCE, (_, decimal?: string, hex?: string, name = "") => {
    const code = decimal !== undefined ? Number(decimal) : Number.parseInt(hex ?? "", 16);
    const meant = Number.isNaN(code) ? NAMED[name] : String.fromCharCode(code);
    // As it stands, a tab that is written as a number is no blank; beyond 16 bits it takes two units
    if (meant === undefined || code > 0xffff || STRANGE.test(meant) || code < 0x20) throw new NotPlain();
    return meant;
  });
}
