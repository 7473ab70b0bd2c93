/** XML in and out: the parser is loaded at its first use, and text is escaped in one place. */
import type { Document, Element } from "@xmldom/xmldom";
import { EstratoError } from "../errors.ts";
import { type ReadElement, readPlain } from "./plain-xml.ts";
import { DOMParser, onErrorStopParsing, XMLSerializer } from "./xmldom.ts";

export type { Document, Element } from "@xmldom/xmldom";
export type { ReadElement } from "./plain-xml.ts";

/** A domain with hundreds of disks takes a third of these; parsing takes a second for twenty thousand elements. */
const LARGEST_CHARACTERS = 2 * 1024 ** 2;
const MOST_TAGS = 40_000;
const DEEPEST_ELEMENT = 256; // libvirt's own parser ends there, too

/**
 * Parses a document whose root must be `root`. "host" where it is not well-formed, is of another encoding than UTF-8,
 * has a document type (nothing of libvirt's has one), or is larger or deeper than any that describes something. Who
 * reads it from a file says from which.
 */
export function parseXml(written: string, root: string): Document {
  const text = written.startsWith(BYTE_ORDER_MARK) ? written.slice(1) : written;
  if (text.length > LARGEST_CHARACTERS || tagsIn(text) > MOST_TAGS) throw unwieldy(root, "it is too large");
  const strange = whyNoXml(text);
  if (strange !== null) throw new EstratoError("host", `XML of a ${root}: ${strange}`);
  requireShallow(text, root);
  try {
    const document = new DOMParser({ onError: onErrorStopParsing, normalizeLineEndings }).parseFromString(
      text,
      "text/xml",
    );
    if (document.documentElement?.tagName !== root) throw new Error(`the root is not <${root}>`);
    return document;
  } catch (cause) {
    if (cause instanceof RangeError) throw unwieldy(root, "it is too deep", cause);
    const why = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : "";
    // How the parser went about it is nothing to people.
    const plain = why
      .replace(/^Reporting error "(.*)" caused onErrorStopParsing$/, "$1")
      .replace(/^.*Error: (?=.)/, "");
    throw new EstratoError("host", `XML of a ${root}: ${plain}`, { cause });
  }
}

/**
 * The root of a document that is read and not changed: the parser is loaded only for what is not as libvirt writes it.
 * Throws as parseXml does.
 */
export function readXml(text: string, root: string): ReadElement {
  const plain = text.length > LARGEST_CHARACTERS || tagsIn(text) > MOST_TAGS ? null : readPlain(text);
  return plain?.tagName === root ? plain : (parseXml(text, root).documentElement as Element);
}

/** Those of XML 1.0, which libvirt reads. The parser's own are of 1.1, where U+0085 and U+2028 end a line, too. */
const normalizeLineEndings = (text: string) => text.replaceAll(/\r\n?/g, "\n");

const BYTE_ORDER_MARK = "\ufeff";
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const NO_CHARACTER = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/u;

/**
 * What the parser lets pass and libvirt does not, or reads in another way than we: null where there is nothing of it.
 * Source: w3.org/TR/xml, 2.2 and 4.3.3.
 */
function whyNoXml(text: string): string | null {
  if (/<!DOCTYPE/i.test(text)) return "a document type is not allowed";
  const encoding = /^<\?xml\s[^>]*?\sencoding\s*=\s*["']([^"']*)/.exec(text)?.[1];
  if (encoding !== undefined && !/^(utf-?8|us-ascii)$/i.test(encoding))
    return `its encoding is ${JSON.stringify(encoding)}, and only UTF-8 is read`;
  const references = Array.from(text.matchAll(/&#(?:x([0-9a-f]+)|(\d+));/gi), ([, hex, decimal]) =>
    hex === undefined ? Number(decimal) : Number.parseInt(hex, 16),
  );
  const isCharacter = (code: number) => code <= 0x10ffff && !NO_CHARACTER.test(String.fromCodePoint(code));
  return NO_CHARACTER.test(text) || !references.every(isCharacter) ? "it holds characters that no XML may hold" : null;
}

function tagsIn(text: string): number {
  let count = 0;
  for (let at = text.indexOf("<"); at >= 0; at = text.indexOf("<", at + 1)) count += 1;
  return count;
}

function unwieldy(root: string, why: string, cause?: unknown): EstratoError {
  const hint = "Look where it comes from: no definition that libvirt makes is like it.";
  return new EstratoError("host", `XML of a ${root}: ${why}`, { hint, cause });
}

/** Before it is parsed: what walks the document calls itself for each element in an element. */
function requireShallow(text: string, root: string): void {
  let depth = 0;
  for (const [tag] of text.matchAll(/<!--[\s\S]*?-->|<!\[CDATA\[[\s\S]*?\]\]>|<[/\w](?:[^>"']|"[^"]*"|'[^']*')*>/g)) {
    if (tag.startsWith("<!") || tag.endsWith("/>")) continue;
    depth += tag.startsWith("</") ? -1 : 1;
    if (depth > DEEPEST_ELEMENT) throw unwieldy(root, `more than ${DEEPEST_ELEMENT} elements, one in the other`);
  }
}

export function serializeXml(document: Document): string {
  // Else whoever reads it takes one that was written as a reference for the end of a line
  return new XMLSerializer().serializeToString(document).replaceAll("\r", "&#13;");
}

/**
 * Text for an element's content or an attribute in either kind of quotes. "usage" for characters that XML cannot hold,
 * and for line breaks: no name or path of ours has one.
 */
export function escapeXml(text: string): string {
  if (!isXmlSafe(text)) {
    throw new EstratoError("usage", "a control character cannot be part of a definition");
  }
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&apos;");
}

/** No control character, no half of a surrogate pair, no non-character. */
export function isXmlSafe(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return !/[\u0000-\u001f\u007f-\u009f\ufffe\uffff]|\p{Surrogate}/u.test(text);
}

/** The child elements; not deeper ones. By a loop, as the next two: a definition is asked for its children often. */
export function childrenOf<E extends ReadElement>(parent: E): E[] {
  const nodes = parent.childNodes as ArrayLike<E>;
  const found: E[] = [];
  for (let at = 0; at < nodes.length; at += 1) if (nodes[at]?.nodeType === 1) found.push(nodes[at] as E);
  return found;
}

/** The same of that name. */
export function childrenNamed<E extends ReadElement>(parent: E, name: string): E[] {
  return childrenOf(parent).filter(({ tagName }) => tagName === name);
}

export function childNamed<E extends ReadElement>(parent: E, name: string): E | null {
  const nodes = parent.childNodes as ArrayLike<E>;
  for (let at = 0; at < nodes.length; at += 1) if (nodes[at]?.tagName === name) return nodes[at] as E;
  return null;
}

/** Follows child names from `parent`; null where one is missing. */
export function childAt<E extends ReadElement>(parent: E, ...names: readonly string[]): E | null {
  let at: E | null = parent;
  for (const name of names) at = at === null ? null : childNamed(at, name);
  return at;
}

/** The text of a child, without the blanks around it; null where there is no such child. */
export function childText(parent: ReadElement, ...names: readonly string[]): string | null {
  return childAt(parent, ...names)?.textContent?.trim() ?? null;
}

/** An attribute; null where it is absent (xmldom answers with an empty text there in older versions). */
export function attribute(element: ReadElement | null, name: string): string | null {
  return element?.hasAttribute(name) ? element.getAttribute(name) : null;
}

/** Replaces an element's content by text. The text is escaped when the document is written. */
export function setText(element: Element, text: string): void {
  escapeXml(text); // refuses what no document may hold
  element.textContent = text;
}

/** Sets an attribute. The value is escaped when the document is written. */
export function setAttribute(element: Element, name: string, value: string): void {
  escapeXml(value);
  element.setAttribute(name, value);
}

/** The child of that name, made at the end of `parent` where it is not there. */
export function ensureChild(parent: Element, name: string): Element {
  const there = childNamed(parent, name);
  if (there) return there;
  const made = (parent.ownerDocument as Document).createElement(name);
  parent.appendChild(made);
  return made;
}

/** Takes an element out, with the blanks before it, so that the lines around it stay as they were. */
export function removeElement(element: Element): void {
  const before = element.previousSibling;
  if (before?.nodeType === 3 && /^\s*$/.test(before.nodeValue ?? "")) before.parentNode?.removeChild(before);
  element.parentNode?.removeChild(element);
}
