/** The state as the text of a file, and back. */
import * as v from "valibot";
import { type State, stateSchema } from "../core/model/state.ts";
import { TABLES } from "../core/model/tables.ts";
import { EstratoError } from "../errors.ts";
import { MIGRATIONS, type Migrations, migrate, type RawState } from "./migrations.ts";

const REPAIR = "Run `estrato doctor --repair` to go back to what was stored last.";

/**
 * The state in a file's text, brought to our version and validated. `where` names the file for the messages.
 * Throws "integrity" where it is damaged, "host" where a newer estrato wrote it.
 */
export function parseState(text: string, where: string, migrations: Migrations = MIGRATIONS): State {
  return validState(migrate(parseRaw(text, where), where, migrations), where);
}

/** The JSON object in a text; "integrity" where there is none. */
export function parseRaw(text: string, where: string): RawState {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw damaged(where, text === "" ? "it is empty" : "it is not JSON", error);
  }
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) throw damaged(where, "it holds no object");
  return raw as RawState;
}

/**
 * Checks a value against the schema and gives that same value back, not valibot's copy: the copy has lost every key
 * that the schema does not name (and any named like a member of Object.prototype). The shape changes only with its
 * version and a newer version is refused, so an unknown key is someone's note or a later estrato's addition, and is
 * carried along untouched. `looseObject` would do the same at the price of the types: every misspelt key would compile.
 * The schema has no defaults: what an older state lacks is filled in by its migration.
 */
export function validState(raw: unknown, where: string): State {
  const fault = faultOf(stateSchema, raw);
  if (fault !== null) throw damaged(where, fault);
  return withBareTables(raw as State);
}

/** A change that the schema refuses is a fault of ours, and no copy needs restoring. */
export function refusedChange(where: string, fault: string): EstratoError {
  return new EstratoError("integrity", `${where}: a change that would damage it was refused: ${fault}`, {
    hint: "The state is as it was; please report this as a bug.",
  });
}

/** The same value, which nobody can change from now on: whoever reads a state shares it with others. */
export function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const key in value) if (typeof value[key] === "object") frozen(value[key]);
  return Object.freeze(value);
}

/** Where and why the schema refuses it; null where it does not. */
export function faultOf(schema: v.GenericSchema, raw: unknown): string | null {
  const result = v.safeParse(schema, raw, { abortEarly: true });
  if (result.success) return null;
  const issue = result.issues[0];
  const path = v.getDotPath(issue);
  return path === null ? issue.message : `${path}: ${issue.message}`;
}

function withBareTables(state: State): State {
  for (const table of TABLES) (state as Record<string, unknown>)[table] = bareTable(state[table]);
  return state;
}

/**
 * Tables keyed by what users name get no prototype: `flavors["constructor"]` is undefined, and `__proto__` a key like
 * any other.
 */
export function bareTable<T extends object>(table: T): T {
  const rows = bare(table);
  for (const key in rows) bareRow(rows[key]);
  return rows;
}

/** Most rows have none: they share this one. */
const NO_PROPERTIES: Record<string, string> = Object.freeze(Object.create(null));

/** The same of what a row holds by such names. */
export function bareRow<T>(row: T): T {
  const named = row as { properties?: Record<string, string> };
  if (named.properties !== undefined)
    named.properties = Object.keys(named.properties).length === 0 ? NO_PROPERTIES : bare(named.properties);
  return row;
}

/** The object itself, without a prototype: it was just parsed, and nobody else has it. */
function bare<T extends object>(rows: T): T {
  return Object.setPrototypeOf(rows, null) as T;
}

function damaged(where: string, why: string, cause?: unknown): EstratoError {
  return new EstratoError("integrity", `${where}: damaged: ${why}`, { hint: REPAIR, cause });
}
