/** A change of the state: what it leaves alone is the same afterwards, and only what it touched is checked. */
import { current, isDraft } from "immer";
import type * as v from "valibot";
import { drafts } from "../core/model/drafts.ts";
import { type State, stateSchema } from "../core/model/state.ts";
import { knowRowChanges, orderChanges, type Rows } from "./row-changes.ts";
import { keepLines, readBack, rowText } from "./state-lines.ts";
import { bareRow, faultOf, frozen, refusedChange, TABLES, type Table } from "./state-text.ts";

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
  const draft = drafts.createDraft(before);
  const answer = change(draft);
  if (answer instanceof Promise) throw new TypeError("A change of the state must be done when it returns.");
  const result = settled(answer);
  const after = drafts.finishDraft(draft) as State;
  return { result, state: after === before ? before : checked(before, after, where) };
}

/** Drafts are no values any more once the change is made. */
function settled<T>(value: T): T {
  if (isDraft(value)) return current(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(settled) as T;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, settled(part)])) as T;
}

function checked(before: State, after: State, where: string): State {
  const made: Record<string, unknown> = {};
  const tables: Partial<Record<Table, unknown>> = {};
  for (const [key, value] of Object.entries(after)) {
    if (value === before[key as keyof State]) made[key] = value;
    else if (isRows(key, value)) made[key] = checkedTable(before[key as Table], value, key as Table, where);
    else made[key] = unlessSame(before[key as keyof State], frozen(readBack(value)));
  }
  const keys = Object.keys(made);
  if (keys.length === Object.keys(before).length && keys.every((key) => made[key] === before[key as keyof State]))
    return before;
  for (const table of TABLES) tables[table] = isRows(table, made[table]) ? {} : made[table];
  const fault = faultOf(stateSchema, { ...made, ...tables });
  if (fault !== null) throw refusedChange(where, fault);
  return Object.freeze(made) as State;
}

function isRows(key: string, value: unknown): value is Record<string, unknown> & State[Table] {
  return TABLES.includes(key as Table) && typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The rows that are the same, or say the same, are the same afterwards; and so is the table where all of them are. */
function checkedTable(before: Rows, after: Rows, name: Table, where: string): Rows {
  const schema: v.GenericSchema = stateSchema.entries[name].value;
  const made = ownTable(after);
  const set: string[] = [];
  for (const key in made) {
    const old = before[key];
    const row = made[key];
    if (row === old && row !== undefined) continue;
    made[key] = checkedRow(old, row, schema, (fault) => refusedChange(where, `${name}.${key}.${fault}`));
    if (made[key] !== old) set.push(key);
  }
  const changes = { set, ...orderChanges(before, made) };
  if (set.length === 0 && changes.gone.length === 0) return before;
  knowRowChanges(before, made, changes);
  keepLines(before, made);
  return Object.freeze(made);
}

/** What a draft was made into is nobody else's, and need not be copied; what somebody put in its place may be. */
function ownTable(table: Rows): Record<string, unknown> {
  const isOwn = Object.getPrototypeOf(table) === null && !Object.isFrozen(table);
  return isOwn ? table : Object.assign(Object.create(null), table);
}

/** The value that was, where the new one says the same. */
function unlessSame(old: unknown, made: unknown): unknown {
  return rowText(old) === rowText(made) ? old : made;
}

function checkedRow(old: unknown, row: unknown, schema: v.GenericSchema, refusal: (fault: string) => Error): unknown {
  const back = readBack(row);
  if (back !== undefined && unlessSame(old, back) === old) return old;
  const fault = faultOf(schema, back);
  if (fault !== null) throw refusal(fault);
  return frozen(bareRow(back));
}
