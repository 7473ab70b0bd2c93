/**
 * The text of a state: a line for each row, so that a person can read it and a diff shows a change. What was not
 * changed keeps its text, and a table is read when somebody asks for it.
 */
import type { State } from "../core/model/state.ts";
import { isTable, knowRows, type Table } from "../core/model/tables.ts";
import { tableText } from "./table-text.ts";
import { type TextTable, textTable } from "./text-table.ts";

/** What a state has by a name: a table of which the text is known, or any value, which is frozen. */
export type Part = { readonly text: TextTable } | { readonly text: null; readonly value: unknown };

const textTables = new WeakMap<State, ReadonlyMap<string, TextTable>>();

/** A state of these parts, in their order. Frozen; a table is parsed when it is first asked for. */
export function stateOf(parts: ReadonlyMap<string, Part>): State {
  const made = {};
  const tables = new Map<string, TextTable>();
  for (const [key, part] of parts) {
    if (part.text !== null) tables.set(key, part.text);
    const said = part.text === null ? { value: part.value } : { get: part.text.table };
    Object.defineProperty(made, key, { ...said, enumerable: true });
  }
  const state = Object.freeze(made) as State;
  textTables.set(state, tables);
  knowRows(state, (table) => tables.get(table) ?? null);
  return state;
}

/** The parts of a state, for another one that shares them. */
export function partsOf(state: State): Map<string, Part> {
  return new Map(Object.keys(state).map((key) => [key, partOf(state, key)]));
}

function partOf(state: State, key: string): Part {
  const text = textTables.get(state)?.get(key);
  return text === undefined ? { text: null, value: state[key as keyof State] } : { text };
}

/** What a table is known by: as long as it is the same, nothing in it was changed. Nothing is read for it. */
export function tableIn(state: State, table: Table): object {
  return textTables.get(state)?.get(table) ?? state[table];
}

/** How many rows a table has. */
export function countIn(state: State, table: Table): number {
  return textTables.get(state)?.get(table)?.count() ?? Object.keys(state[table]).length;
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
  for (const [key, part] of partsOf(state)) {
    const said = isTable(key) ? (part.text?.text ?? tableText(state[key])) : JSON.stringify(state[key as keyof State]);
    if (said === undefined) continue;
    pieces.push(pieces.length === 0 ? "{\n" : ",\n", ` ${JSON.stringify(key)}: `, said);
  }
  return [...pieces, "\n}\n"];
}

const KEY = /\n ("(?:[^"\\]|\\.)*"): /y;

/**
 * The state in a text that stateText made, frozen. A table is parsed when it is first asked for. The text is known to
 * be good: nothing of it is checked.
 */
export function trustedState(text: string): State {
  const parts = new Map<string, Part>();
  const end = text.lastIndexOf("\n}");
  for (let at = text.indexOf('\n "'); at >= 0 && at < end; ) {
    KEY.lastIndex = at;
    const key: string = JSON.parse(KEY.exec(text)?.[1] ?? "");
    const next = text.indexOf('\n "', at + 1);
    const value = text.slice(KEY.lastIndex, next < 0 ? end : next - 1);
    parts.set(key, isTable(key) ? { text: textTable(value) } : { text: null, value: JSON.parse(value) });
    at = next;
  }
  return stateOf(parts);
}
