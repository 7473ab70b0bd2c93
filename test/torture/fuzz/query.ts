/** --query, and --filter, --sort, --column and --limit, on rows whose texts others wrote. */
import fc from "fast-check";
import { number, text, words } from "../../../src/ui/output/columns.ts";
import type { Json } from "../../../src/ui/output/json.ts";
import { FORMATS, type OutputWish, selectionOf } from "../../../src/ui/output/options.ts";
import { compileQuery } from "../../../src/ui/output/query.ts";
import { renderRows, renderValue } from "../../../src/ui/output/render.ts";
import { kind } from "./kind.ts";
import { mutatedText, NASTY, nastyText } from "./mutate.ts";
import { refusing } from "./oracle.ts";

interface Row {
  readonly name: string | null;
  readonly size: number | null;
  readonly properties: readonly string[];
}

const ROWS: readonly Row[] = [
  { name: "web1", size: 2 ** 30, properties: ["role=front", "a=b"] },
  { name: "web2\x1b[2J\n", size: 0, properties: [] },
  { name: null, size: null, properties: ["__proto__", "x".repeat(300)] },
];
const COLUMNS = [
  text<Row>("name", ({ name }) => name, { orNull: true }),
  number<Row>("size", ({ size }) => size, { orNull: true }),
  words<Row>("properties", ({ properties }) => properties),
];
const VALUE = ROWS.map((row) => ({ ...row, inner: { deep: [[1, 2], [{ a: null }]] } })) as unknown as Json;

const QUERIES = [
  "[].name",
  "[?size > `1`].{n: name, s: size}",
  "[?contains(name, 'web')] | [0]",
  "sort_by(@, &size)[-1].name",
  'join(`","`, [].properties[])',
  "{a: length(@), b: [*].inner.deep[][].a}",
  "[1:3:2].name || 'x'",
  "let $a = [0].name in [].{x: $a, y: name}",
  "to_string(@) | pad_left(@, `40`, '.')",
  "map(&[name, size], @) | from_items(@)",
  "replace([0].name, 'w', 'v', `1`)",
  "[?@.size != null && !(name == 'a')] | max_by(@, &size)",
];
const FUNCTIONS = ["length", "pad_left", "pad_right", "sort_by", "group_by", "split", "replace", "find_first", "zip"];
const argument = fc.oneof(
  fc.constantFrom("@", "[]", "[0]", "`1`", "`-1`", "`1e9`", "`null`", "'a'", "''", "&name", "$x", "[0].name", "`{}`"),
  nastyText,
);
const call = fc
  .tuple(fc.constantFrom(...FUNCTIONS), fc.array(argument, { maxLength: 4 }))
  .map(([name, all]) => `${name}(${all.join(", ")})`);
const deep = fc
  .tuple(
    fc.constantFrom("(", "[", "!", "@.", "[0]", "a||", "{a:", "not_null(", "&", "[?"),
    fc.integer({ min: 1, max: 20_000 }),
  )
  .map(([piece, times]) => piece.repeat(times));

const page = (format: OutputWish["format"], query: string | null = null) => ({
  wish: { format, columns: [], sort: null, filters: [], limit: null, query, header: true, wide: false },
  query: null,
  nowMs: 0,
  isTerminal: false,
  columns: null,
  painter: (_: unknown, painted: string) => painted,
});

export const query = kind(
  "query",
  fc.tuple(fc.oneof(mutatedText(QUERIES, 3), call, deep), fc.constantFrom(...FORMATS)),
  async ([expression, format]) => {
    const search = await refusing(() => compileQuery(expression));
    if (search === null) return;
    await refusing(async () => renderValue(search(VALUE), page(format, expression) as never));
  },
  100,
);

const filter = fc
  .tuple(
    fc.constantFrom("name", "NAME", "size", "properties", "properties.a", "nosuch", ""),
    fc.constantFrom("=", "", "=="),
    nastyText,
  )
  .map((parts) => parts.join(""));

export const filters = kind(
  "filters",
  fc.record({
    format: fc.constantFrom(...FORMATS, null),
    columns: fc.array(fc.oneof(filter, fc.constantFrom("name", "size,name", "properties.role")), { maxLength: 2 }),
    sort: fc.option(fc.oneof(filter, fc.constantFrom("name:desc", "size", "size:asc,name:desc", ":desc", ",,"))),
    filters: fc.array(fc.oneof(filter, nastyText, fc.constantFrom(...NASTY)), { maxLength: 2 }),
    limit: fc.option(fc.constantFrom(1, 2, 999_999_999)),
    query: fc.constant(null),
    header: fc.boolean(),
    wide: fc.boolean(),
  }),
  async (wish) => {
    const selection = await refusing(() => selectionOf<Row>(wish, COLUMNS));
    if (selection === null) return;
    await refusing(() => renderRows(ROWS, "list", COLUMNS, selection, { ...page(wish.format), wish } as never));
  },
);
