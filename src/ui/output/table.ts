/** Tables for people: cli-table3 for what a person reads, a plain writer for what is long. Both look the same. */
import type { Painter } from "../colour.ts";
import { fitted, padded, widthOf } from "../text.ts";

export interface TableText {
  readonly headers: readonly string[] | null;
  readonly aligns: readonly ("left" | "right")[];
  /** Harmless text, one line per cell. */
  readonly rows: readonly (readonly string[])[];
  /** Paints a cell that is already fitted and padded. */
  readonly paint: (row: number, column: number, text: string) => string;
}

/** cli-table3 takes 0.3 s for 1,000 rows and 3.2 s for 5,000. */
const MOST_DRAWN_ROWS = 200;
const GAP = "  ";
const NARROWEST = 6;

/** Ends with a newline, unless it is empty. `columns` null: as wide as it gets. */
export async function drawTable(table: TableText, columns: number | null, painter: Painter): Promise<string> {
  const widths = fittedWidths(naturalWidths(table), columns);
  const cells = table.rows.map((row, y) =>
    row.map((text, x) => {
      const width = widths[x] ?? 0;
      return table.paint(y, x, cellText(text, width, table, x));
    }),
  );
  const head = table.headers?.map((text, x) => {
    const width = widths[x] ?? 0;
    return painter("bold", cellText(text.toUpperCase(), width, table, x));
  });
  const lines = head === undefined ? cells : [head, ...cells];
  if (lines.length === 0) return "";
  const drawn = table.rows.length > MOST_DRAWN_ROWS ? lines.map((line) => line.join(GAP)) : await drawnBox(lines);
  return drawn.map((line) => `${line.trimEnd()}\n`).join("");
}

/** The last column is not filled up: no line ends in spaces. */
function cellText(text: string, width: number, { aligns }: TableText, x: number): string {
  const isLast = x === aligns.length - 1;
  return isLast && aligns[x] === "left" ? fitted(text, width) : padded(fitted(text, width), width, aligns[x]);
}

async function drawnBox(lines: readonly (readonly string[])[]): Promise<string[]> {
  const { default: Table } = await import("cli-table3");
  const none = ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"];
  const inner = ["left", "left-mid", "mid", "mid-mid", "right", "right-mid"];
  const table = new Table({
    chars: { ...Object.fromEntries([...none, ...inner].map((name) => [name, ""])), middle: GAP },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0, compact: true },
  });
  table.push(...lines.map((line) => [...line]));
  return table.toString().split("\n");
}

function naturalWidths(table: TableText): number[] {
  const widths = (table.headers ?? table.rows[0] ?? []).map((text) => widthOf(text));
  for (const row of table.rows) {
    for (const [x, text] of row.entries()) widths[x] = Math.max(widths[x] ?? 0, widthOf(text));
  }
  return widths;
}

/** The widest columns give way until all fit. */
function fittedWidths(widths: readonly number[], columns: number | null): number[] {
  const fit = [...widths];
  if (columns === null) return fit;
  let over = fit.reduce((sum, width) => sum + width, 0) + GAP.length * (fit.length - 1) - columns;
  while (over > 0) {
    const widest = Math.max(...fit);
    if (widest <= NARROWEST) break;
    fit[fit.indexOf(widest)] = widest - 1;
    over -= 1;
  }
  return fit;
}
