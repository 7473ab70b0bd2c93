/**
 * Rows of the state one after the other, none of which is kept: for who wants a word of each of ten thousand. Of a
 * table as a whole nearly all the time goes into what nobody looks at: keeping it, and seeing to it that it stays as it
 * is.
 */
import type { State } from "./state.ts";

export type RowOf<T extends keyof State> = State[T] extends Readonly<Record<string, infer Row>> ? Readonly<Row> : never;

/** Null where the table is there as a whole already. */
type Passing = (table: keyof State) => Iterable<unknown> | null;

/** By the state itself: what a change makes of it is another, and has rows of its own. */
const passing = new WeakMap<State, Passing>();

/** For who has made the state: how its rows come. */
export function letPass(state: State, rows: Passing): void {
  passing.set(state, rows);
}

/** The rows of a table in its order, to be read and let go. */
export function passingRows<T extends keyof State>(state: State, table: T): Iterable<RowOf<T>> {
  return (passing.get(state)?.(table) ?? Object.values(state[table] as object)) as Iterable<RowOf<T>>;
}
