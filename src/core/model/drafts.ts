/**
 * Changes of a state that leave what they do not touch as it is: the new state shares it with the old one, and of a
 * table that is not there as a whole only the rows that are asked for are read.
 */
import { deepCopy } from "./deep-copy.ts";
import type { State } from "./state.ts";
import { type TableDraft, tableDraft, withRows } from "./table-draft.ts";
import { isTable, knowRows, type Rows, rowsOf, type TableRows, tableRows } from "./tables.ts";

export interface StateDraft {
  readonly before: State;
  /** For who makes the change. It stays what it is when that is over, but throws where somebody changes it. */
  readonly draft: State;
  /** The draft of a table; null where something else was put in its place. */
  table(key: string): TableDraft | null;
  end(): void;
}

const states = new WeakMap<object, StateDraft>();
const tables = new WeakMap<object, TableDraft>();

/** A draft of a state that is none. Whoever opens it ends it. */
export function openDraft(before: State): StateDraft {
  const own = new Map<string, TableDraft>();
  const draft: Record<string, unknown> = Object.create(null);
  for (const key of Object.keys(before)) {
    if (isTable(key)) {
      const made = tableDraft(tableRows(before, key));
      own.set(key, made);
      tables.set(made.table, made);
      draft[key] = made.table;
    } else draft[key] = deepCopy(before[key as keyof State]);
  }
  function table(key: string): TableDraft | null {
    const made = own.get(key);
    return made !== undefined && made.table === draft[key] ? made : null;
  }

  const opened: StateDraft = {
    before,
    draft: draft as State,
    table,
    end() {
      for (const one of own.values()) one.end();
      Object.freeze(draft);
    },
  };
  states.set(draft, opened);
  knowRows(opened.draft, (key) => table(key)?.now ?? null);
  return opened;
}

/** The state as it is once `change` was made, which throws what that throws. `state`, a draft too, stays as it is. */
export function withChange(state: State, change: (draft: State) => void): State {
  const opened = openDraft(asRead(state));
  try {
    change(opened.draft);
    return onPaper(opened);
  } finally {
    opened.end();
  }
}

/** What a draft of a state or a table holds now, for who goes through it: of a draft each row would be copied. */
export function asRead<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  const state = states.get(value);
  if (state !== undefined) return onPaper(state) as T;
  const table = tables.get(value);
  return table === undefined ? value : (rowsOnPaper(table).whole() as T);
}

/** Changes the rows of a draft's table that match, and looks at the others as they are. */
export function changeRows<Row>(
  table: Record<string, Row>,
  matches: (row: Readonly<Row>) => boolean,
  change: (row: Row) => void,
): void {
  const keys: string[] = [];
  for (const [key, row] of (tables.get(table)?.now ?? rowsOf(table)).entries(null))
    if (matches(row as Row)) keys.push(key);
  for (const key of keys) change(table[key] as Row);
}

/** The state of before, where nothing was changed. A table of another is put together when it is first asked for. */
function onPaper({ before, draft, table }: StateDraft): State {
  const state = {};
  const tables = new Map<string, TableRows>();
  let isSame = Object.keys(draft).length === Object.keys(before).length;
  for (const key of Object.keys(draft)) {
    const own = table(key);
    if (own !== null) {
      const rows = rowsOnPaper(own);
      isSame &&= rows === own.before;
      tables.set(key, rows);
      const get = rows === own.before ? () => before[key as keyof State] : rows.whole;
      Object.defineProperty(state, key, { get, enumerable: true });
    } else {
      const value = deepCopy(draft[key as keyof State]);
      isSame &&= says(value) === says(before[key as keyof State]);
      Object.defineProperty(state, key, { value, enumerable: true });
    }
  }
  if (isSame) return before;
  knowRows(state as State, (key) => tables.get(key) ?? null);
  return Object.freeze(state) as State; // so that what is found out about it is found out once
}

/** The rows of before, where none was changed. */
function rowsOnPaper({ before, touched, gone }: TableDraft): TableRows {
  const changed = new Map<string, unknown>();
  for (const [key, row] of touched)
    if (gone.has(key) || says(row) !== says(before.row(key))) changed.set(key, deepCopy(row));
  if (changed.size === 0 && gone.size === 0) return before;
  const rows = withRows(before, changed, new Set(gone));
  let whole: Rows | null = null;
  return {
    ...rows,
    whole() {
      whole ??= rows.whole();
      return whole;
    },
  };
}

function says(value: unknown): string | undefined {
  return JSON.stringify(value);
}
