/** A table that may be changed, while the one before stays as it is: only rows that are asked for are copied. */
import { deepCopy } from "./deep-copy.ts";
import type { TableRows } from "./tables.ts";

export interface TableDraft {
  readonly before: TableRows;
  /** For who makes the change: rows are asked for, set and deleted as in any table. */
  readonly table: Record<string, unknown>;
  /** The rows as they are now, to be read. */
  readonly now: TableRows;
  /** Rows that were asked for or set, as they are now. Not every one says something else than before. */
  readonly touched: ReadonlyMap<string, unknown>;
  /** Keys of rows that were deleted. One that is touched as well was set again, and comes after all others. */
  readonly gone: ReadonlySet<string>;
  /** From now on it throws, and so do its rows where somebody changes them. */
  end(): void;
}

export function tableDraft(before: TableRows): TableDraft {
  const touched = new Map<string, unknown>();
  const gone = new Set<string>();
  const copies: object[] = [];

  const now = withRows(before, touched, gone);

  /** A row that nobody has touched yet is copied for who asks for it, since he may change it. */
  function rowToChange(key: string): unknown {
    const row = now.row(key);
    if (touched.has(key) || typeof row !== "object" || row === null) return row;
    const copy = deepCopy(row);
    copies.push(copy);
    touched.set(key, copy);
    return copy;
  }

  const { proxy, revoke } = Proxy.revocable<Record<string, unknown>>(Object.create(null), {
    get: (_, key) => (typeof key === "string" ? rowToChange(key) : undefined),
    set(_, key, row) {
      touched.set(String(key), row);
      return true;
    },
    deleteProperty(_, name) {
      const key = String(name);
      if (before.row(key) !== undefined) gone.add(key);
      touched.delete(key);
      return true;
    },
    has: (_, key) => typeof key === "string" && isThere(key),
    ownKeys: () => Object.keys(now.whole()),
    getOwnPropertyDescriptor(_, key) {
      if (typeof key !== "string" || !isThere(key)) return undefined;
      return { value: rowToChange(key), writable: true, enumerable: true, configurable: true };
    },
    defineProperty: () => false,
  });

  function isThere(key: string): boolean {
    return touched.has(key) || now.row(key) !== undefined;
  }

  return {
    before,
    table: proxy,
    now,
    touched,
    gone,
    end() {
      revoke();
      for (const copy of copies) Object.freeze(copy);
    },
  };
}

/**
 * The rows of a table once these were set, after those of keys that are gone were deleted. It goes by what the two hold
 * when it is asked; of its whole nobody else has anything but the rows.
 */
export function withRows(
  before: TableRows,
  touched: ReadonlyMap<string, unknown>,
  gone: ReadonlySet<string>,
): TableRows {
  const isLast = (key: string) => gone.has(key) || before.row(key) === undefined;

  function* entries(words: readonly string[] | null): Generator<readonly [string, unknown]> {
    for (const [key, row] of before.entries(words))
      if (!touched.has(key) && !gone.has(key)) yield [key, row];
      else if (words === null && !gone.has(key)) yield [key, touched.get(key)];
    // Nobody knows which words they have by now.
    for (const [key, row] of [...touched]) if (words !== null || isLast(key)) yield [key, row];
  }

  return {
    row: (key) => (touched.has(key) || gone.has(key) ? touched.get(key) : before.row(key)),
    *keys() {
      for (const key of before.keys()) if (!gone.has(key)) yield key;
      for (const key of touched.keys()) if (isLast(key)) yield key;
    },
    *passing() {
      for (const [, row] of entries(null)) yield row;
    },
    entries,
    whole() {
      const rows: Record<string, unknown> = Object.assign(Object.create(null), before.whole());
      for (const key of gone) delete rows[key];
      for (const [key, row] of touched) rows[key] = row;
      return rows;
    },
  };
}
