/** What -f, -c, --sort, --filter, --limit, --query and --no-header ask for, checked before anything is done. */
import { didYouMean } from "../../did-you-mean.ts";
import { EstratoError } from "../../errors.ts";
import type { Column } from "./columns.ts";
import { valueAt } from "./json.ts";
import { mayHold } from "./shape.ts";

export const FORMATS = ["table", "json", "yaml", "csv", "value"] as const;
export type Format = (typeof FORMATS)[number];

/** As typed. */
export interface OutputWish {
  readonly format: Format | null; // null: nobody said
  readonly columns: readonly string[];
  readonly sort: string | null;
  readonly filters: readonly string[];
  readonly limit: number | null;
  readonly query: string | null;
  readonly header: boolean;
  /** All columns of a list, however wide the terminal is. */
  readonly wide: boolean;
}

/** The same, against the columns there are. */
export interface Selection<Row> {
  /** Null: nobody chose. */
  readonly columns: readonly Column<Row>[] | null;
  readonly sort: readonly { readonly column: Column<Row>; readonly down: boolean }[];
  readonly filters: readonly { readonly column: Column<Row>; readonly wanted: string }[];
  readonly limit: number | null;
}

/** Throws "usage" for a column that is not there, and for a malformed --sort or --filter. */
export function selectionOf<Row>(wish: OutputWish, columns: readonly Column<Row>[]): Selection<Row> {
  const named = (key: string): Column<Row> => columnNamed(columns, key);
  return {
    columns: wish.columns.length === 0 ? null : wish.columns.flatMap((names) => names.split(",")).map(named),
    sort: (wish.sort ?? "")
      .split(",")
      .filter(Boolean)
      .map((text) => {
        const [, key, way] = /^(.+?)(?::(asc|desc))?$/.exec(text) ?? [];
        return { column: named(key ?? text), down: way === "desc" };
      }),
    filters: wish.filters.map((text) => {
      const at = text.indexOf("=");
      if (at < 1) {
        throw new EstratoError("usage", `--filter ${JSON.stringify(text)}: not a KEY=VALUE`, {
          hint: "Write it as --filter status=active.",
        });
      }
      return { column: named(text.slice(0, at)), wanted: text.slice(at + 1) };
    }),
    limit: wish.limit,
  };
}

/** By its key, by its header in any case, or, for what is nested, as `properties.k`. */
function columnNamed<Row>(columns: readonly Column<Row>[], name: string): Column<Row> {
  const wanted = name.toLowerCase().replaceAll(/[ -]/g, "_");
  const exact = columns.find((column) => column.key === name);
  const column = exact ?? columns.find((one) => one.key === wanted || one.header.toLowerCase() === name.toLowerCase());
  if (column !== undefined) return column;
  const outer = columns.find((one) => name.startsWith(`${one.key}.`));
  if (outer !== undefined && mayHold(outer.shape.schema, name.slice(outer.key.length + 1))) {
    const path = name.slice(outer.key.length + 1);
    const { paint: _, ...plain } = outer;
    return { ...plain, key: name, header: name, value: (row) => valueAt(outer.value(row), path) };
  }
  const keys = columns.map((one) => one.key);
  throw new EstratoError("usage", `column ${JSON.stringify(name)}: there is none of that name`, {
    hint: didYouMean(
      wanted,
      keys,
      keys.length === 0 ? "This verb prints no columns." : `Known are ${keys.join(", ")}.`,
    ),
  });
}
