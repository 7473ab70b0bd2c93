/** Which rows of a table are not those of the table that it was made of: whoever makes it knows, for its records. */
import type { State } from "../core/model/state.ts";
import type { Rows, Table } from "../core/model/tables.ts";
import { tableIn } from "./state-lines.ts";

export interface RowChanges {
  /** Keys of rows that are new, or say something else. */
  readonly set: readonly string[];
  /** Keys of rows that are no more. */
  readonly gone: readonly string[];
}

/** Nothing in it keeps a table: each would keep the one that it was made of, and that the one before. */
const known = new WeakMap<object, { readonly before: WeakRef<object>; readonly changes: RowChanges }>();

/** For who has just made `after` of `before` (as tableIn gives them), and will not change it any more. */
export function knowRowChanges(before: object, after: object, changes: RowChanges): void {
  known.set(after, { before: new WeakRef(before), changes });
}

export function rowChanges(before: State, after: State, table: Table): RowChanges {
  const [old, now] = [tableIn(before, table), tableIn(after, table)];
  if (old === now) return { set: [], gone: [] };
  const made = known.get(now);
  if (made?.before.deref() === old) return made.changes;
  const others: Rows = before[table];
  const rows: Rows = after[table];
  const differs = (key: string) =>
    rows[key] !== others[key] && JSON.stringify(rows[key]) !== JSON.stringify(others[key]);
  return {
    set: Object.keys(rows).filter(differs),
    gone: Object.keys(others).filter((key) => rows[key] === undefined),
  };
}
