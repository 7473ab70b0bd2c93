/** A change of the state: what it leaves alone is the same afterwards, and only what it touched is checked. */
import type * as v from "valibot";
import { asRead, openDraft, type StateDraft } from "../core/model/drafts.ts";
import { type State, stateSchema } from "../core/model/state.ts";
import { type TableDraft, withRows } from "../core/model/table-draft.ts";
import { isTable, rowsOf, type Table } from "../core/model/tables.ts";
import { knowRowChanges } from "./row-changes.ts";
import { type Part, partsOf, stateOf } from "./state-lines.ts";
import { bareRow, faultOf, frozen, refusedChange } from "./state-text.ts";
import { readBack, rowText } from "./table-text.ts";

export interface ChangedState<T> {
  /** What the change returned. */
  readonly result: T;
  /** Frozen; the same one where nothing was changed. */
  readonly state: State;
}

/**
 * Makes a change on a draft of `before`, which stays as it is. What was changed is what its text says, and "integrity"
 * is thrown where the schema refuses that: a fault of ours, and no copy needs restoring. `where` names the file.
 */
export function changeOf<T>(before: State, where: string, change: (draft: State) => T): ChangedState<T> {
  const opened = openDraft(before);
  try {
    const answer = change(opened.draft);
    if (answer instanceof Promise) throw new TypeError("A change of the state must be done when it returns.");
    return { result: settled(answer), state: checked(opened, where) };
  } finally {
    opened.end();
  }
}

/** Drafts are no values any more once the change is made. */
function settled<T>(value: T): T {
  const read = asRead(value);
  if (read !== value || typeof value !== "object" || value === null) return read;
  if (Array.isArray(value)) return value.map(settled) as T;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  const copy = prototype === null ? Object.assign(Object.create(null), value) : { ...value };
  for (const key of Object.keys(copy)) copy[key] = settled(copy[key]);
  return copy;
}

function checked({ before, draft, table }: StateDraft, where: string): State {
  const old = partsOf(before);
  const made = new Map<string, Part>();
  for (const [key, value] of Object.entries(draft)) {
    const part = old.get(key) ?? NONE;
    const own = isTable(key) ? (table(key) ?? replaced(before, key, value)) : null;
    if (own !== null) made.set(key, checkedTable(part, own, key as Table, where));
    else made.set(key, checkedValue(part, value));
  }
  if (made.size === old.size && [...made].every(([key, part]) => part === old.get(key))) return before;
  const fault = faultOf(stateSchema, Object.fromEntries([...made].map(([key, part]) => [key, unchecked(key, part)])));
  if (fault !== null) throw refusedChange(where, fault);
  return stateOf(made);
}

const NONE: Part = { text: null, value: undefined };

/** The rows of a table were checked, where it is one. */
function unchecked(key: string, part: Part): unknown {
  if (part.text !== null || (isTable(key) && isRows(part.value))) return {};
  return part.value;
}

function checkedValue(old: Part, value: unknown): Part {
  if (old.text !== null) return { text: null, value };
  const back = frozen(readBack(value));
  return rowText(old.value) === rowText(back) ? old : { text: null, value: back };
}

/** Another table in the place of one is all of its rows set, after the others are gone; null where it is none. */
function replaced(before: State, key: Table, value: unknown): Changed | null {
  if (!isRows(value)) return null;
  const table = before[key] ?? {};
  return { before: rowsOf(table), touched: new Map(Object.entries(value)), gone: new Set(Object.keys(table)) };
}

function isRows(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

type Changed = Pick<TableDraft, "before" | "touched" | "gone">;

/** The rows that are the same, or say the same, are the same afterwards; and so is the table where all of them are. */
function checkedTable(old: Part, { before, touched, gone }: Changed, name: Table, where: string): Part {
  const schema: v.GenericSchema = stateSchema.entries[name].value;
  const rows = new Map<string, unknown>();
  const set: string[] = [];
  for (const [key, row] of touched) {
    const last = before.row(key);
    const made = checkedRow(last, row, schema, (fault) => refusedChange(where, `${name}.${key}.${fault}`));
    if (made !== last) set.push(key);
    if (made !== last || gone.has(key)) rows.set(key, made);
  }
  const changes = { set, gone: [...gone].filter((key) => !touched.has(key)) };
  if (changes.set.length === 0 && changes.gone.length === 0) return old;
  if (old.text !== null) {
    const text = old.text.changed(rows, gone);
    knowRowChanges(old.text, text, changes);
    return { text };
  }
  const value = Object.freeze(withRows(before, rows, gone).whole());
  knowRowChanges(before.whole(), value, changes);
  return { text: null, value };
}

function checkedRow(old: unknown, row: unknown, schema: v.GenericSchema, refusal: (fault: string) => Error): unknown {
  if (row === old && row !== undefined) return old;
  const back = readBack(row);
  if (back !== undefined && rowText(old) === rowText(back)) return old;
  const fault = faultOf(schema, back);
  if (fault !== null) throw refusal(fault);
  return frozen(bareRow(back));
}
