/** The tables of a state, and how their rows come: a table that is large need not be there as a whole. */
import type { State } from "./state.ts";

export const TABLES = [
  "layers",
  "volumes",
  "instances",
  "snapshots",
  "images",
  "flavors",
  "keypairs",
  "bookmarks",
  "targets",
  "schedules",
] as const;

export type Table = (typeof TABLES)[number];
export type Rows = Readonly<Record<string, unknown>>;
export type RowOf<T extends Table> = State[T] extends Readonly<Record<string, infer Row>> ? Readonly<Row> : never;

export function isTable(key: string): key is Table {
  return TABLES.includes(key as Table);
}

/** A table that somebody has, as a whole or not. */
export interface TableRows {
  /** Undefined where there is none. */
  row(key: string): unknown;
  /** All in their order; what they are the keys of is not parsed. */
  keys(): Iterable<string>;
  /** All in their order, to be read and let go. */
  passing(): Iterable<unknown>;
  /** Those in whose text one of the words occurs, and perhaps others; null: all in their order. */
  entries(words: readonly string[] | null): Iterable<readonly [key: string, row: unknown]>;
  /** All of it, which stays in memory from now on. */
  whole(): Rows;
}

/** By the state itself: what a change makes of it is another, and has rows of its own. */
const known = new WeakMap<State, (table: Table) => TableRows | null>();

/** For who has made the state: how its rows come; null: as those of any table. */
export function knowRows(state: State, rows: (table: Table) => TableRows | null): void {
  known.set(state, rows);
}

export function tableRows(state: State, table: Table): TableRows {
  return known.get(state)?.(table) ?? rowsOf(state[table]);
}

/**
 * The table as its state has it: who asks for a row by its key has that one read alone, and who goes through it all of
 * them. Nobody can change it. `known`: all of it, where it was read.
 */
export function tableView({ row, whole }: Pick<TableRows, "row" | "whole">, known: () => Rows | undefined): () => Rows {
  const view = new Proxy<Rows>(Object.create(null), {
    get: (_, key) => (typeof key === "string" ? row(key) : undefined),
    has: (_, key) => typeof key === "string" && row(key) !== undefined,
    ownKeys: () => Reflect.ownKeys(whole()),
    getOwnPropertyDescriptor(_, key) {
      const found = Reflect.getOwnPropertyDescriptor(whole(), key);
      return found === undefined ? undefined : { ...found, configurable: true }; // or the target would need it, too
    },
    set: () => false,
    defineProperty: () => false,
    deleteProperty: () => false,
    preventExtensions: () => false,
  });
  return () => known() ?? view;
}

/** Of a table that is there as a whole. */
export function rowsOf(table: Rows): TableRows {
  return {
    row: (key) => (Object.hasOwn(table, key) ? table[key] : undefined),
    keys: () => Object.keys(table),
    passing: () => Object.values(table),
    entries: () => Object.entries(table),
    whole: () => table,
  };
}
