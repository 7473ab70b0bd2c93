/** man(7): the macros that man-db and mandoc know, from plain text. */

/** Text that means itself. Every "-" is a minus sign, so that what is copied from a page can be typed. */
export function escaped(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("'", "\\(aq").replaceAll("`", "\\(ga");
}

/** One line of text with `code` and **bold** in bold and *words* in italics; never taken for a macro. */
export function inline(text: string): string {
  const parts = text.split(/(`[^`]+`|\*\*[^*]+\*\*|\*[^*\s][^*]*\*)/);
  const line = parts
    .map((part, index) => {
      if (index % 2 === 0) return escaped(part);
      if (part.startsWith("`")) return `\\fB${escaped(part.slice(1, -1))}\\fR`;
      if (part.startsWith("**")) return `\\fB${escaped(part.slice(2, -2))}\\fR`;
      return `\\fI${escaped(part.slice(1, -1))}\\fR`;
    })
    .join("");
  return line.startsWith(".") ? `\\&${line}` : line;
}

/** Which release a page describes: its version, and the day of it, YYYY-MM-DD. */
export interface Release {
  readonly version: string;
  readonly date: string;
}

export function header(name: string, section: number, { version, date }: Release): string {
  const title = `.TH ${escaped(name.toUpperCase())} ${section} "${date}" "estrato ${version}" "estrato"\n`;
  return `.\\" -*- coding: UTF-8 -*-\n.\\" Made by "npm run man"; change the declarations, not this file.\n${title}`;
}

/** The parts one after the other. Behind a heading a paragraph begins by itself: its macro there is one too many. */
export function joined(parts: readonly string[]): string {
  return parts.join("").replaceAll(/^(\.S[HS] .*\n)\.PP\n/gm, "$1");
}

export function heading(title: string): string {
  return `.SH ${quoted(title.toUpperCase())}\n`;
}

export function subheading(title: string): string {
  return `.SS ${quoted(title)}\n`;
}

/** Paragraphs, parted by an empty line in `text`. */
export function paragraphs(text: string): string {
  return text
    .split(/\n\s*\n/)
    .map((paragraph) => `.PP\n${inline(paragraph.trim().replaceAll(/\s+/g, " "))}\n`)
    .join("");
}

/** A term and what it means. */
export function item(term: string, meaning: string): string {
  const shown = inline(meaning.replaceAll(/\s+/g, " ").trim());
  return `.TP\n\\fB${escaped(term)}\\fR\n${shown === "" ? "\\&" : shown}\n`;
}

/** `mark`: a bullet or a number. */
export function listItem(mark: string, text: string): string {
  return `.IP ${quoted(mark)} 4\n${inline(text)}\n`;
}

export const BULLET = "\\(bu";

/** Lines as they are, in a fixed font, indented. */
export function code(lines: readonly string[]): string {
  const body = lines.map((line) => `${line.startsWith(".") ? "\\&" : ""}${escaped(line)}\n`).join("");
  return `.PP\n.RS 4\n.nf\n${body}.fi\n.RE\n`;
}

function quoted(text: string): string {
  const safe = text.startsWith("\\(") ? text : escaped(text);
  return `"${safe.replaceAll('"', "\\(dq")}"`;
}
