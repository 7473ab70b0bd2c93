/** A table that is known by its text: only the rows that are asked for are parsed, until somebody wants all. */
import { withRows } from "../core/model/table-draft.ts";
import { type Rows, rowsOf, type TableRows, tableView } from "../core/model/tables.ts";
import { bareRow, bareTable, frozen } from "./state-text.ts";
import {
  changedText,
  entriesIn,
  entriesNaming,
  lineIn,
  linesIn,
  rowCount,
  rowIn,
  rowsIn,
  tableText,
} from "./table-text.ts";

/** A row by its key and the whole are frozen: whoever asks gets the same. */
export interface TextTable extends TableRows {
  readonly text: string;
  /** As a state has it. */
  table(): Rows;
  /** How many rows it has. */
  count(): number;
  /**
   * The table in which these rows, which are frozen, stand, and those of keys that are gone do not; one that is set and
   * gone comes last. It shares with this one what was parsed.
   */
  changed(set: ReadonlyMap<string, unknown>, gone: ReadonlySet<string>): TextTable;
}

/** To look for so many lines takes as long as to note where each of them is. */
const FEW = 4;
/** Who has asked for a row in so many is taken to want most: they take less time together. */
const MOST = 8;

interface Known {
  /** Rows that are parsed already, frozen. */
  readonly rows?: Iterable<[string, unknown]>;
  /** Where all are. */
  readonly table?: Rows;
  /** Has somebody gone through all, here or where most of it is from? */
  readonly hasPassed?: boolean;
}

export function textTable(text: string, known: Known = {}): TextTable {
  const parsed = new Map(known.rows);
  const found = new Map<string, number>();
  let { table: all, hasPassed = false } = known;
  let noted: Map<string, number> | null = null;

  function lines(): Map<string, number> {
    noted ??= linesIn(text);
    return noted;
  }

  function lineOf(key: string): number {
    if (noted !== null || (found.size >= FEW && !found.has(key))) return lines().get(key) ?? -1;
    const line = found.get(key) ?? lineIn(text, key);
    found.set(key, line);
    return line;
  }

  function rowAlone(key: string): unknown {
    const line = lineOf(key);
    if (line < 0) return undefined;
    if (noted !== null && parsed.size > noted.size / MOST) return whole()[key];
    const row = frozen(bareRow(rowIn(text, key, line)));
    parsed.set(key, row);
    return row;
  }

  function whole(): Rows {
    if (all !== undefined) return all;
    const made = bareTable(JSON.parse(text) as Record<string, unknown>);
    for (const [key, row] of parsed) made[key] = row; // somebody has it
    all = frozen(made);
    parsed.clear();
    return all;
  }

  /** Passing twice takes as long as keeping all, which who collects a dozen layers would do two dozen times. */
  function isToPass(): boolean {
    const isFirst = all === undefined && !hasPassed;
    hasPassed = true;
    return isFirst;
  }

  const row = (key: string) => (all === undefined ? (parsed.get(key) ?? rowAlone(key)) : all[key]);
  return {
    text,
    table: tableView({ row, whole }, () => all),
    whole,
    count: () => noted?.size ?? rowCount(text),
    row,
    keys: () => (all === undefined ? lines().keys() : rowsOf(all).keys()),
    passing: () => (isToPass() ? rowsIn(text) : rowsOf(whole()).passing()),

    entries(words) {
      if (words !== null && all === undefined) return entriesNaming(text, words);
      return isToPass() ? entriesIn(text) : rowsOf(whole()).entries(null);
    },

    changed(set, gone) {
      const isInOrder = [...set.keys()].every((key) => !gone.has(key) && !COMES_FIRST.test(key));
      if (isInOrder && all === undefined) {
        const others = [...parsed].filter(([key]) => !gone.has(key));
        return textTable(changedText(text, set, gone, lineOf), { rows: [...others, ...set], hasPassed });
      }
      const made = Object.freeze(withRows(rowsOf(whole()), set, gone).whole());
      return textTable(isInOrder ? changedText(text, set, gone, lineOf) : tableText(made), { table: made });
    },
  };
}

/** As the keys of any object are ordered, whenever they were set. */
const COMES_FIRST = /^\d+$/;
