/**
 * The text of a table: a line for each row, so that a person can read it and a diff shows a change. A line is found by
 * its key or by what stands in it, and changed, without the others being looked at.
 */
import type { Rows } from "../core/model/tables.ts";
import { bareRow } from "./state-text.ts";

/** Of rows that nobody can change any more. */
const texts = new WeakMap<object, string>();

/** The value that its text says, and no other. Undefined where no text can say it. The caller freezes it. */
export function readBack(value: unknown): unknown {
  const text = JSON.stringify(value);
  if (text === undefined) return undefined;
  const back: unknown = JSON.parse(text);
  if (typeof back === "object" && back !== null) texts.set(back, text);
  return back;
}

/** Of a row as it is in the file. */
export function rowText(row: unknown): string {
  return (typeof row === "object" && row !== null ? texts.get(row) : undefined) ?? JSON.stringify(row);
}

/** The text of a table, made anew. */
export function tableText(table: Rows): string {
  return joined(Object.entries(table).map(([key, row]) => line(key, row)));
}

/**
 * The text of the table that differs from this one by these rows, those that are new at its end, and is without those
 * that are gone. `lineOf`: as lineIn.
 */
export function changedText(
  text: string,
  set: ReadonlyMap<string, unknown>,
  gone: Iterable<string>,
  lineOf: (key: string) => number,
): string {
  const body = bodyOf(text);
  const fresh: string[] = [];
  const places: { readonly at: number; readonly line: string | null }[] = [];
  for (const [key, row] of set) {
    const at = lineOf(key);
    if (at < 0) fresh.push(line(key, row));
    else places.push({ at, line: line(key, row) });
  }
  for (const key of gone) places.push({ at: lineOf(key), line: null });
  const lines: string[] = [];
  let from = 0;
  for (const { at, line } of places.filter(({ at }) => at >= 0).sort((a, b) => a.at - b.at)) {
    if (at > from) lines.push(body.slice(from, at - ",\n".length));
    if (line !== null) lines.push(line);
    from = endOf(body, at) + ",\n".length;
  }
  if (from < body.length) lines.push(body.slice(from));
  return joined([...lines, ...fresh]);
}

/** Where the line of a key is; -1: nowhere. No text of JSON has the end of a line in it. */
export function lineIn(text: string, key: string): number {
  const body = bodyOf(text);
  const begin = lineStart(key);
  if (body.startsWith(begin)) return 0;
  const at = body.indexOf(`\n${begin}`);
  return at < 0 ? -1 : at + 1;
}

/** The row of a key, where its line is there. */
export function rowIn(text: string, key: string, line: number): unknown {
  const body = bodyOf(text);
  return JSON.parse(body.slice(line + lineStart(key).length, endOf(body, line)));
}

/** Where the lines of all keys are. */
export function linesIn(text: string): Map<string, number> {
  const body = bodyOf(text);
  const lines = new Map<string, number>();
  for (let at = 0; at < body.length; at = endOf(body, at) + ",\n".length) lines.set(keyAt(body, at), at);
  return lines;
}

/** How many rows there are. */
export function rowCount(text: string): number {
  if (text === EMPTY) return 0;
  let count = -1; // the closing brace has a line
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}

/** The rows one after the other. */
export function* rowsIn(text: string): Generator<unknown> {
  const body = bodyOf(text);
  for (let at = 0; at < body.length; ) {
    const end = endOf(body, at);
    yield JSON.parse(body.slice(valueAt(body, at), end));
    at = end + ",\n".length;
  }
}

export type Entry = readonly [key: string, row: unknown];

/** The same with their keys. */
export function* entriesIn(text: string): Generator<Entry> {
  const body = bodyOf(text);
  for (let at = 0; at < body.length; ) {
    const end = endOf(body, at);
    yield entryAt(body, at, end);
    at = end + ",\n".length;
  }
}

/** Those among them in whose line one of the words occurs. */
export function* entriesNaming(text: string, words: readonly string[]): Generator<Entry> {
  const body = bodyOf(text);
  if (words.length === 0 || body === "") return;
  const named = new RegExp(words.map((word) => literally(JSON.stringify(word).slice(1, -1))).join("|"), "g");
  for (let found = named.exec(body); found !== null; found = named.exec(body)) {
    const end = endOf(body, found.index);
    yield entryAt(body, body.lastIndexOf("\n", found.index) + 1, end);
    named.lastIndex = end + ",\n".length;
    if (named.lastIndex >= body.length) return;
  }
}

const EMPTY = "{}";

/** At once: of megabytes each text that is put together in between is another copy. */
function joined(lines: readonly string[]): string {
  if (lines.length === 0) return EMPTY;
  return ["{\n", ...lines.flatMap((one, index) => (index > 0 ? [",\n", one] : [one])), "\n }"].join("");
}

/** Its lines. */
function bodyOf(text: string): string {
  return text === EMPTY ? "" : text.slice("{\n".length, -"\n }".length);
}

function line(key: string, row: unknown): string {
  return `${lineStart(key)}${rowText(row)}`;
}

function lineStart(key: string): string {
  return `  ${JSON.stringify(key)}: `;
}

/** Where the line ends in which this is: before its comma. */
function endOf(body: string, at: number): number {
  const end = body.indexOf("\n", at); // a row has many commas, each of which would be looked at
  return end < 0 ? body.length : end - ",".length;
}

const KEY = / {2}"(?:[^"\\]|\\.)*": /y;

/** Where the row of a line begins: what stands before it is not parsed. */
function valueAt(body: string, at: number): number {
  KEY.lastIndex = at;
  KEY.test(body);
  return KEY.lastIndex;
}

function keyAt(body: string, at: number): string {
  const said = body.slice(at + "  ".length, valueAt(body, at) - ": ".length);
  return said.includes("\\") ? JSON.parse(said) : said.slice(1, -1);
}

function entryAt(body: string, at: number, end: number): Entry {
  return [keyAt(body, at), bareRow(JSON.parse(body.slice(valueAt(body, at), end)))];
}

function literally(word: string): string {
  return word.replaceAll(/[$()*+.?[\\\]^{|}]/g, "\\$&");
}
