/** A result, in the format that was asked for. */
import type { Painter } from "../colour.ts";
import { jsonText, printable } from "../text.ts";
import { type Column, peopleText } from "./columns.ts";
import { isObject, type Json, type JsonObject } from "./json.ts";
import type { Format, OutputWish, Selection } from "./options.ts";
import { selectRows } from "./select.ts";
import { csvText, tabText, valueText } from "./separated.ts";
import { drawTable } from "./table.ts";

export interface Page {
  readonly wish: OutputWish;
  /** Does a person read it? */
  readonly isTerminal: boolean;
  readonly columns: number | null;
  /** What time it is: for ages, which only people are told. */
  readonly nowMs: number;
  readonly painter: Painter;
  readonly query: ((value: Json) => Json) | null;
  /** What JSON says of a row besides its columns, where nobody chose those. */
  readonly more?: (row: unknown) => JsonObject;
}

/** One thing is drawn as `show` draws it; many as a list, or, where each was asked for, one after the other. */
export type Shape = "list" | "one" | "each";

/** The text for stdout; it ends with a newline unless it is empty. */
export async function renderRows<Row>(
  rows: readonly Row[],
  shape: Shape,
  columns: readonly Column<Row>[],
  selection: Selection<Row>,
  page: Page,
): Promise<string> {
  const found = shape === "list" ? selectRows(rows, selection) : rows;
  const format = formatOf(page);
  const chosen = columnsOf(shape === "list", columns, selection, page);
  if (page.query !== null || format === "json" || format === "yaml") {
    const objects = found.map((row) => ({
      ...objectOf(row, chosen),
      ...(page.wish.columns.length === 0 ? page.more?.(row) : {}),
    }));
    const value: Json = shape === "one" ? (objects[0] ?? null) : objects;
    return renderValue(page.query === null ? value : page.query(value), page);
  }
  if (format === "table") return shape === "list" ? listTable(found, chosen, page) : showTables(found, chosen, page);
  const lines = found.map((row) => chosen.map((column) => column.value(row)));
  return format === "csv" ? csvText(page.wish.header ? chosen.map(({ key }) => key) : null, lines) : valueText(lines);
}

/** The columns that are printed, or handed to a query: of a list in a table, unless they are named, some of them. */
export function columnsOf<Row>(
  isList: boolean,
  columns: readonly Column<Row>[],
  selection: Selection<Row>,
  { wish }: Pick<Page, "wish">,
): readonly Column<Row>[] {
  if (selection.columns !== null) return selection.columns;
  const format = formatOf({ wish });
  const isWhole = !isList || wish.query !== null || format === "json" || format === "yaml";
  return isWhole ? columns : columns.filter(({ listed }) => listed);
}

/** Any JSON: the answer to --query, or what has no columns. */
export async function renderValue(value: Json, page: Page): Promise<string> {
  const format = formatOf(page);
  if (format === "json") return `${jsonText(value, 2)}\n`;
  if (format === "yaml") return (await import("./yaml.ts")).yamlText(value);
  const items = Array.isArray(value) ? value : value === null ? [] : [value];
  if (items.length > 0 && items.every(isObject)) {
    const keys = [...new Set((items as JsonObject[]).flatMap((item) => Object.keys(item)))];
    const lines = (items as JsonObject[]).map((item) => keys.map((key) => item[key] ?? null));
    if (format === "table") return table(keys, lines, page);
    return format === "csv" ? csvText(page.wish.header ? keys : null, lines) : valueText(lines);
  }
  const lines = items.map((item) => (Array.isArray(item) ? item : [item]));
  if (format === "table") return table(null, lines, page);
  return format === "csv" ? csvText(null, lines) : valueText(lines);
}

/** --query means json unless a format is named, as in `aws`. */
function formatOf({ wish }: Pick<Page, "wish">): Format {
  return wish.format ?? (wish.query === null ? "table" : "json");
}

function objectOf<Row>(row: Row, columns: readonly Column<Row>[]): JsonObject {
  return Object.fromEntries(columns.map((column) => [column.key, column.value(row)]));
}

/** In a pipe, where nobody named a format: full values behind tabs, without headers. */
function isPiped({ isTerminal, wish }: Page): boolean {
  return !isTerminal && wish.format === null;
}

async function listTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[], page: Page): Promise<string> {
  if (isPiped(page)) {
    const lines = rows.map((row) => columns.map((column) => column.value(row)));
    return tabText(null, lines);
  }
  if (rows.length === 0) return "";
  const now = page.isTerminal ? page.nowMs : undefined;
  const isNarrowed = page.columns !== null && page.wish.columns.length === 0 && !page.wish.wide;
  return drawTable(
    {
      headers: page.wish.header ? columns.map(({ header }) => header) : null,
      aligns: columns.map(({ align }) => align),
      rows: rows.map((row) => columns.map((column) => printable(column.text(column.value(row), now)))),
      paint: (y, x, text) => {
        const [column, row] = [columns[x], rows[y]];
        return column?.paint === undefined || row === undefined
          ? text
          : painted(column, column.value(row), text, page.painter);
      },
      ...(isNarrowed ? { room: { width: page.columns, ranks: columns.map(({ rank }) => rank) } } : {}),
    },
    page.painter,
  );
}

async function showTables<Row>(rows: readonly Row[], columns: readonly Column<Row>[], page: Page): Promise<string> {
  const texts: string[] = [];
  for (const row of rows) {
    const values = columns.map((column) => column.value(row));
    if (isPiped(page)) {
      texts.push(
        tabText(
          null,
          columns.map((column, y) => [column.key, values[y] ?? null]),
        ),
      );
      continue;
    }
    texts.push(
      await drawTable(
        {
          headers: page.wish.header ? ["Field", "Value"] : null,
          aligns: ["left", "left"],
          rows: columns.map((column, y) => [column.key, printable(shownText(column, values[y] ?? null, page))]),
          paint: (y, x, text) =>
            x === 0 ? page.painter("dim", text) : painted(columns[y], values[y] ?? null, text, page.painter),
        },
        page.painter,
      ),
    );
  }
  return texts.join("\n");
}

/** Of one thing people are told both when, and how long ago. */
function shownText<Row>(column: Column<Row>, value: Json, { isTerminal, nowMs }: Page): string {
  const [text, aged] = [column.text(value), column.text(value, nowMs)];
  return isTerminal && aged !== text ? `${text} (${aged})` : text;
}

function painted<Row>(column: Column<Row> | undefined, value: Json, text: string, painter: Painter): string {
  const paint = column?.paint?.(value) ?? null;
  return paint === null ? text : painter(paint, text);
}

async function table(
  headers: readonly string[] | null,
  lines: readonly (readonly Json[])[],
  page: Page,
): Promise<string> {
  if (isPiped(page)) return tabText(null, lines);
  const width = Math.max(0, ...lines.map((line) => line.length));
  const rows = lines.map((line) => Array.from({ length: width }, (_, x) => printable(peopleText(line[x] ?? null))));
  return drawTable(
    {
      headers: page.wish.header ? headers : null,
      aligns: Array.from({ length: width }, () => "left" as const),
      rows,
      paint: (_y, _x, text) => text,
    },
    page.painter,
  );
}
