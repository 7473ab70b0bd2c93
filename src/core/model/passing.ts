/**
 * Rows of the state for who wants a few of ten thousand, or a word of each: read one by one, where nobody has read the
 * table as a whole. Of that nearly all the time goes into what nobody looks at: keeping it, and seeing to it that it
 * stays as it is.
 */
import type { State } from "./state.ts";
import { type RowOf, type Table, tableRows } from "./tables.ts";

/** The rows of a table in its order, to be read and let go. */
export function passingRows<T extends Table>(state: State, table: T): Iterable<RowOf<T>> {
  return tableRows(state, table).passing() as Iterable<RowOf<T>>;
}

/**
 * The rows in whose text one of the words occurs, and perhaps others: whoever asks for the rows of one thing by its id
 * still looks whether they are.
 */
export function rowsNaming<T extends Table>(state: State, table: T, words: readonly string[]): RowOf<T>[] {
  return Array.from(tableRows(state, table).entries(words), ([, row]) => row as RowOf<T>);
}

/** The keys of a table in its order: the ids of what is in it, or the names. */
export function keysOf(state: State, table: Table): Iterable<string> {
  return tableRows(state, table).keys();
}
