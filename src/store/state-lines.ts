/**
 * The text of a state: a line for each row, so that a person can read it and a diff shows a change. What was not
 * changed keeps its text, and a table is read when somebody asks for it.
 */
import { letPass } from "../core/model/passing.ts";
import type { State } from "../core/model/state.ts";
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
  const parts = Object.entries(state).map(([key, value]) => {
    const text = isTable(key) ? tableText(state[key]) : JSON.stringify(value);
    return text === undefined ? [] : [` ${JSON.stringify(key)}: ${text}`];
  });
  return `{\n${parts.flat().join(",\n")}\n}\n`;
}

type Rows = Readonly<Record<string, unknown>>;

function tableText(table: Rows): string {
  const known = texts.get(table);
  if (known !== undefined) return known;
  return joined(Object.entries(table).map(([key, row]) => line(key, row)));
}

/** Makes the text of a table of which most is as in the one before: a row that is the same keeps its line. */
export function keepLines(before: Rows, after: Rows): void {
  const text = texts.get(before);
  if (text === undefined || text === "{}") return;
  const lines = text.split(",\n");
  const keys = Object.keys(before);
  if (lines.length !== keys.length) return;
  lines[0] = lines[0]?.slice("{\n".length) ?? "";
  lines[lines.length - 1] = lines.at(-1)?.slice(0, -"\n }".length) ?? "";
  let at = 0;
  const kept: string[] = [];
  for (const key in after) {
    while (at < keys.length && keys[at] !== key && !((keys[at] as string) in after)) at += 1;
    const isNext = keys[at] === key;
    kept.push(isNext && before[key] === after[key] ? (lines[at] as string) : line(key, after[key]));
    if (isNext) at += 1;
  }
  texts.set(after, joined(kept));
}

function joined(lines: readonly string[]): string {
  return lines.length === 0 ? "{}" : `{\n${lines.join(",\n")}\n }`;
}

function line(key: string, row: unknown): string {
  return `  ${JSON.stringify(key)}: ${rowText(row)}`;
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
    const [row] = Object.values(JSON.parse(`{${table.slice(at, table[end - 1] === "," ? end - 1 : end)}}`));
    yield row;
    at = end + 1;
  }
}
