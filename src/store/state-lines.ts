/**
 * The text of a state: a line for each row, so that a person can read it and a diff shows a change. What was not
 * changed keeps its text, and a table is read when somebody asks for it.
 */
import { letPass } from "../core/model/passing.ts";
import type { State } from "../core/model/state.ts";
import { type Rows, rowChanges } from "./row-changes.ts";
import { bareTable, frozen, isTable, type Table } from "./state-text.ts";

/** Of rows and tables that nobody can change any more. */
const texts = new WeakMap<object, string>();

/** The value that its text says, and no other. Undefined where no text can say it. The caller freezes it. */
export function readBack(value: unknown): unknown {
  const text = JSON.stringify(value);
  if (text === undefined) return undefined;
  const back: unknown = JSON.parse(text);
  if (typeof back === "object" && back !== null) texts.set(back, text);
  return back;
}

/** The text of a whole state. */
export function stateText(state: State): string {
  return statePieces(state).join("");
}

/** What is not ASCII takes more bytes than it has characters; most states have little of it. */
const MORE_BYTES = 2 ** 16;

/**
 * The same as it is written: of megabytes, each text that is put together for it is another copy of them, and asking
 * how many bytes it takes as slow as writing them.
 */
export function stateBytes(state: State): Buffer {
  const pieces = statePieces(state);
  const bytes = Buffer.allocUnsafe(pieces.reduce((sum, piece) => sum + piece.length, MORE_BYTES));
  const encoder = new TextEncoder();
  let end = 0;
  for (const piece of pieces) {
    const { read, written } = encoder.encodeInto(piece, bytes.subarray(end));
    if (read < piece.length) return Buffer.from(pieces.join(""));
    end += written;
  }
  return bytes.subarray(0, end);
}

function statePieces(state: State): string[] {
  const pieces: string[] = [];
  for (const [key, value] of Object.entries(state)) {
    const said = isTable(key) ? tablePieces(state[key]) : [JSON.stringify(value)];
    if (said[0] === undefined) continue;
    pieces.push(pieces.length === 0 ? "{\n" : ",\n", ` ${JSON.stringify(key)}: `, ...said);
  }
  return [...pieces, "\n}\n"];
}

/** Of tables that were made of others: most of it is theirs. */
const piecesOf = new WeakMap<Rows, readonly string[]>();

function tablePieces(table: Rows): readonly string[] {
  const known = texts.get(table);
  if (known !== undefined) return [known];
  return piecesOf.get(table) ?? [joined(Object.entries(table).map(([key, row]) => line(key, row))).join("")];
}

/** Makes the text of a table of which most is as in the one before: what was not changed is not looked at. */
export function keepLines(before: Rows, after: Rows): void {
  const text = texts.get(before) ?? piecesOf.get(before)?.join("");
  const { set, gone, isInOrder } = rowChanges(before, after);
  if (text === undefined || text === "{}" || !isInOrder) return;
  const body = text.slice("{\n".length, -"\n }".length);
  const places = [...set, ...gone].flatMap((key) => {
    const at = before[key] === undefined ? -1 : lineAt(body, key);
    const end = body.indexOf(",\n", at);
    return at < 0 ? [] : [{ key, at, end: end < 0 ? body.length : end }];
  });
  const lines: string[] = [];
  let from = 0;
  for (const { key, at, end } of places.sort((a, b) => a.at - b.at)) {
    if (at > from) lines.push(body.slice(from, at - ",\n".length));
    if (after[key] !== undefined) lines.push(line(key, after[key]));
    from = end + ",\n".length;
  }
  if (from < body.length) lines.push(body.slice(from));
  for (const key of set) if (before[key] === undefined) lines.push(line(key, after[key]));
  piecesOf.set(after, joined(lines));
}

/** Where the line of a row begins that is in the text. */
function lineAt(body: string, key: string): number {
  const begin = lineStart(key);
  return body.startsWith(begin) ? 0 : body.indexOf(`\n${begin}`) + 1;
}

function joined(lines: readonly string[]): string[] {
  return lines.length === 0
    ? ["{}"]
    : ["{\n", ...lines.flatMap((one, index) => (index > 0 ? [",\n", one] : [one])), "\n }"];
}

function line(key: string, row: unknown): string {
  return `${lineStart(key)}${rowText(row)}`;
}

function lineStart(key: string): string {
  return `  ${JSON.stringify(key)}: `;
}

/** Of a row as it is in the file. */
export function rowText(row: unknown): string {
  return (typeof row === "object" && row !== null ? texts.get(row) : undefined) ?? JSON.stringify(row);
}

const KEY = /\n ("(?:[^"\\]|\\.)*"): /y;

/**
 * The state in a text that stateText made, frozen. A table is parsed when it is first asked for. The text is known to
 * be good: nothing of it is checked.
 */
export function trustedState(text: string): State {
  const state = {};
  const tables = new Map<string, Unread>();
  const end = text.lastIndexOf("\n}");
  for (let at = text.indexOf('\n "'); at >= 0 && at < end; ) {
    KEY.lastIndex = at;
    const key: string = JSON.parse(KEY.exec(text)?.[1] ?? "");
    const next = text.indexOf('\n "', at + 1);
    const value = text.slice(KEY.lastIndex, next < 0 ? end : next - 1);
    if (isTable(key)) {
      const table = unread(key, value);
      tables.set(key, table);
      Object.defineProperty(state, key, { get: table.whole, enumerable: true });
    } else Object.defineProperty(state, key, { value: JSON.parse(value), enumerable: true });
    at = next;
  }
  const known = Object.freeze(state) as State;
  letPass(known, (key) => tables.get(key)?.passing() ?? null);
  return known;
}

interface Unread {
  /** The table, which is parsed once. */
  whole(): object;
  /** Its rows, each parsed when it comes and then forgotten; null where the whole is there. */
  passing(): Iterable<unknown> | null;
}

function unread(key: Table, text: string): Unread {
  let table: object | undefined;
  return {
    whole() {
      if (table === undefined) {
        table = frozen(bareTable(JSON.parse(text) as State[typeof key]));
        texts.set(table, text);
      }
      return table;
    },
    passing: () => (table === undefined ? rowsIn(text) : null),
  };
}

/** The values of a table's lines, as `joined` puts them together. */
function* rowsIn(table: string): Generator<unknown> {
  for (let at = table.indexOf("\n") + 1; at > 0; ) {
    const end = table.indexOf("\n", at);
    if (end < 0) return; // the closing brace
    yield JSON.parse(table.slice(valueAt(table, at), table[end - 1] === "," ? end - 1 : end));
    at = end + 1;
  }
}

const ROW_KEY = / {2}"(?:[^"\\]|\\.)*": /y;

/** Where the row of a line begins: what stands before it is not parsed. */
function valueAt(table: string, line: number): number {
  ROW_KEY.lastIndex = line;
  ROW_KEY.test(table);
  return ROW_KEY.lastIndex;
}
