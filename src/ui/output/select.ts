/** --filter, --sort and --limit, in that order, on rows. */
import { compareTexts } from "../../order.ts";
import type { Json } from "./json.ts";
import { cell } from "./json.ts";
import type { Selection } from "./options.ts";

/** Equality of what is written; of a list, with one of its items. One that is empty is as nothing. */
function matches(value: Json, wanted: string): boolean {
  if (value === null || (Array.isArray(value) && value.length === 0)) return wanted === "" || wanted === "null";
  return Array.isArray(value) ? value.some((item) => matches(item, wanted)) : cell(value) === wanted;
}

/** Numbers by size, the rest by code point, nothing last. */
function compare(a: Json, b: Json): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  if (typeof a === "number" && typeof b === "number") return a - b;
  return compareTexts(cell(a), cell(b));
}

export function selectRows<Row>(rows: readonly Row[], selection: Selection<Row>): Row[] {
  const { filters, sort, limit } = selection;
  const found = rows.filter((row) => filters.every(({ column, wanted }) => matches(column.value(row), wanted)));
  if (sort.length > 0) {
    found.sort((a, b) => {
      for (const { column, down } of sort) {
        const [left, right] = [column.value(a), column.value(b)];
        const order = compare(left, right);
        if (order !== 0) return down && left !== null && right !== null ? -order : order;
      }
      return 0;
    });
  }
  return limit === null ? found : found.slice(0, limit);
}
