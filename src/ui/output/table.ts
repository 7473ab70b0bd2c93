/** Tables for people: cli-table3 for what a person reads, a plain writer for the rest. Both look the same. */
import type { Painter } from "../colour.ts";
import { isAscii } from "../text.ts";

/** The columns of a terminal that a text takes. */
type WidthOf = (text: string) => number;
type Align = "left" | "right";

export interface TableText {
  readonly headers: readonly string[] | null;
  readonly aligns: readonly Align[];
  /** Harmless text, one line per cell. */
  readonly rows: readonly (readonly string[])[];
  /** Paints a cell that is already padded. */
  readonly paint: (row: number, column: number, text: string) => string;
  /** Where it may be narrower: how wide it may be, and of each column how soon it is left out (Column.rank). */
  readonly room?: { readonly width: number; readonly ranks: readonly number[] };
}

/** cli-table3 takes 0.3 s for 1,000 rows and 3.2 s for 5,000. */
const MOST_DRAWN_ROWS = 200;
const GAP = "  ";

/** Ends with a newline, unless it is empty. No cell is cut: what is too wide for the terminal, it breaks. */
export async function drawTable(table: TableText, painter: Painter): Promise<string> {
  const { headers, rows, aligns } = table;
  const all = headers === null ? rows : [headers, ...rows];
  if (all.length === 0) return "";
  const isPlain = all.flat().every(isAscii);
  const widthOf: WidthOf = isPlain ? (text) => text.length : (await import("string-width")).default;
  const widths = aligns.map((_, x) => all.reduce((most, row) => Math.max(most, widthOf(row[x] ?? "")), 0));
  const places = placesIn(table, widths);
  const cellOf = (text: string, x: number): string => {
    // The last column is not filled up: no line ends in spaces.
    if (x === places.at(-1) && aligns[x] === "left") return text;
    return padded(text, widths[x] ?? 0, aligns[x] ?? "left", widthOf);
  };
  const lines = rows.map((row, y) => places.map((x) => table.paint(y, x, cellOf(row[x] ?? "", x))));
  if (headers !== null) lines.unshift(places.map((x) => painter("bold", cellOf((headers[x] ?? "").toUpperCase(), x))));
  // cli-table3 measures by an older string-width: what this one has filled up would not line up there.
  const isForBox = isPlain && rows.length <= MOST_DRAWN_ROWS;
  const drawn = isForBox ? await drawnBox(lines) : lines.map((line) => line.join(GAP));
  return drawn.map((line) => `${line.trimEnd()}\n`).join("");
}

/** Which columns there is room for: the important first; those in which nothing stands come last of all. */
function placesIn({ aligns, rows, room }: TableText, widths: readonly number[]): number[] {
  const places = aligns.map((_, x) => x);
  if (room === undefined) return places;
  const isEmpty = (x: number) => rows.every((row) => row[x] === "");
  const rankOf = new Map(places.map((x) => [x, isEmpty(x) ? Number.POSITIVE_INFINITY : (room.ranks[x] ?? 0)]));
  const rank = (x: number) => rankOf.get(x) ?? 0;
  let left = room.width + GAP.length;
  const taken = new Set<number>();
  for (const x of places.toSorted((a, b) => rank(a) - rank(b))) {
    const width = (widths[x] ?? 0) + GAP.length;
    if (width > left && rank(x) > 0) continue;
    taken.add(x);
    left -= width;
  }
  return places.filter((x) => taken.has(x));
}

function padded(text: string, width: number, align: Align, widthOf: WidthOf): string {
  const space = " ".repeat(Math.max(0, width - widthOf(text)));
  return align === "left" ? text + space : space + text;
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
