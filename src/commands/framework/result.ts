/** What a verb prints: declared beforehand, so that a wrong -c fails before anything is done. */
import type { Painter } from "../../ui/colour.ts";
import type { Column } from "../../ui/output/columns.ts";
import type { Plan } from "../../ui/plan.ts";

/** Where something is drawn. */
export interface Drawing {
  readonly painter: Painter;
  /** For ages; undefined in a pipe, where times are told in full. */
  readonly nowMs: number | undefined;
  /** Of the terminal; null: as wide as it gets. */
  readonly columns: number | null;
}

export type Draw<Row> = (rows: readonly Row[], on: Drawing) => string | null | Promise<string | null>;

export interface ResultSpec<Row> {
  /** "list": run() returns rows. "one": run() returns one thing, or several where several targets were given. */
  readonly shape: "list" | "one" | "nothing";
  readonly columns: readonly Column<Row>[];
  /** Printed only where a format, a column or a query asks for it: `instance start` has little to say to people. */
  readonly onRequest: boolean;
  /** Which is printed even with -q, since it is the only copy of what it holds; null: none. */
  readonly evenQuiet: ((row: Row) => boolean) | null;
  /** Draws the result for people in place of a table; null: the table after all. */
  readonly draw: Draw<Row> | null;
  /** Said at a terminal where a list is empty: how its first thing is made. */
  readonly empty: string | null;
}

/** What run() may return: what was declared, a plan (--dry-run), or nothing. */
export type Outcome<Row> = Row | readonly Row[] | Plan | readonly (Row | Plan | null)[] | null | undefined;

interface Extras<Row> {
  readonly onRequest?: boolean;
  readonly evenQuiet?: (row: Row) => boolean;
  readonly draw?: Draw<Row>;
  readonly empty?: string;
}

export function list<Row>(columns: readonly Column<Row>[], extras: Extras<Row> = {}): ResultSpec<Row> {
  return spec("list", columns, extras);
}

export function one<Row>(columns: readonly Column<Row>[], extras: Extras<Row> = {}): ResultSpec<Row> {
  return spec("one", columns, extras);
}

function spec<Row>(
  shape: "list" | "one",
  columns: readonly Column<Row>[],
  { onRequest = false, evenQuiet, draw, empty }: Extras<Row>,
): ResultSpec<Row> {
  return { shape, columns, onRequest, evenQuiet: evenQuiet ?? null, draw: draw ?? null, empty: empty ?? null };
}

/** A verb that prints nothing, or writes what it has to stdout itself. */
export const nothing: ResultSpec<never> = {
  shape: "nothing",
  columns: [],
  onRequest: false,
  evenQuiet: null,
  draw: null,
  empty: null,
};
