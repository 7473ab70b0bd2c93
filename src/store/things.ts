/**
 * A record of each thing, beside the state: the same rows once more, each in a small file of its own, so that what was
 * reported done can be put together again where state.json and all its copies are gone. And a header, which says of
 * which write of the state they are and how many.
 */
import { createHash } from "node:crypto";
import { STATE_VERSION, type State } from "../core/model/state.ts";
import { isTable, TABLES, type Table, tableRows } from "../core/model/tables.ts";
import type { RawState } from "./migrations.ts";
import { rowChanges } from "./row-changes.ts";
import { countIn } from "./state-lines.ts";

/** One row of a table. */
export interface Thing {
  readonly version: number; // of the state that it is from
  readonly writes: number; // the write of the state that made it so
  readonly table: Table;
  readonly key: string;
  readonly row: unknown;
}

/** Written after all rows: where it says an older write than the state, rows may be old, missing or too many. */
export interface Header {
  readonly version: number;
  readonly writes: number;
  readonly rows: number;
  readonly rest: RawState; // what is in no table
  /** SHA-256 of that state's file, where that is large: what has it was written by us, and need not be validated. */
  readonly sum?: string;
}

/** What the files say. */
export interface Kept {
  readonly header: Header | null;
  readonly things: readonly Thing[];
  readonly damaged: readonly string[]; // names of files
}

/** Files to be made anew, to be removed, and to be put aside: all that is needed to have the rows of a state. */
export interface Writing {
  readonly texts: ReadonlyMap<string, string>;
  readonly gone: readonly string[];
  readonly aside: readonly string[];
}

export const HEADER_FILE = "store.json";
const LONGEST_NAME = 200;

/** Ids stand in their name; what users name, and paths, percent-encoded, or by its sum where that grows too long. */
function fileNameOf(table: Table, key: string): string {
  return `${table}.${encoded(key) ?? createHash("sha256").update(key).digest("hex")}.json`;
}

function encoded(key: string): string | null {
  try {
    const name = encodeURIComponent(key);
    return name.length > LONGEST_NAME ? null : name;
  } catch {
    return null; // half a surrogate pair
  }
}

/** What is to be written so that the files, which have the rows of `before`, have those of `after`. */
export function changed(before: State, after: State): Writing {
  const texts = new Map<string, string>();
  const gone: string[] = [];
  for (const table of TABLES) {
    const changes = rowChanges(before, after, table);
    const rows = tableRows(after, table);
    for (const key of changes.set) texts.set(fileNameOf(table, key), thingText(after, table, key, rows.row(key)));
    gone.push(...changes.gone.map((key) => fileNameOf(table, key)));
  }
  return { texts, gone, aside: [] };
}

/**
 * The same, whatever the files hold. One that nobody can read and that is of no row is put aside; one of a later write
 * than the state's (of a state that was lost) is made anew, since records are complete where none is.
 */
export function inStep(files: ReadonlyMap<string, string>, after: State): Writing {
  const texts = new Map<string, string>();
  const wanted = new Set<string>();
  for (const table of TABLES) {
    for (const [key, row] of Object.entries(after[table])) {
      const name = fileNameOf(table, key);
      wanted.add(name);
      const there = thingOf(files.get(name) ?? "");
      if (there !== null && isOfRow(there, after, row)) continue;
      texts.set(name, thingText(after, table, key, row));
    }
  }
  const others = [...files.keys()].filter((name) => name !== HEADER_FILE && !wanted.has(name));
  const isThing = (name: string) => thingOf(files.get(name) ?? "") !== null;
  return { texts, gone: others.filter(isThing), aside: others.filter((name) => !isThing(name)) };
}

function isOfRow(thing: Thing, { version, writes = 0 }: State, row: unknown): boolean {
  return thing.version === version && thing.writes <= writes && JSON.stringify(thing.row) === JSON.stringify(row);
}

function thingText({ version, writes = 0 }: State, table: Table, key: string, row: unknown): string {
  return `${JSON.stringify({ version, writes, table, key, row } satisfies Thing, undefined, 1)}\n`;
}

/** Below this a state is validated in less time than it takes to load what makes the sum (measured). */
const SUMMED_BYTES = 2 ** 16;

/** `bytes`: of the state, where it is to be known by them. */
export function headerText(state: State, bytes: Buffer | null): string {
  const { version, writes = 0 } = state;
  const rows = TABLES.reduce((sum, table) => sum + countIn(state, table), 0);
  const others = Object.keys(state).filter((key) => key !== "version" && key !== "writes" && !isTable(key));
  const rest = Object.fromEntries(others.map((key) => [key, state[key as keyof State]]));
  const sum = bytes === null || bytes.length < SUMMED_BYTES ? {} : { sum: sumOf(bytes) };
  return `${JSON.stringify({ version, writes, rows, rest, ...sum } satisfies Header, undefined, 1)}\n`;
}

/** Are these the bytes that were stored with the header, by an estrato whose states have our version? */
export function isTextOf({ version, sum }: Header, bytes: Buffer): boolean {
  return sum !== undefined && version === STATE_VERSION && bytes.length >= SUMMED_BYTES && sum === sumOf(bytes);
}

function sumOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Null where it is none. */
export function headerOf(text: string): Header | null {
  const raw = objectOf(text) as Partial<Header> | null;
  if (raw === null || !isCount(raw.version) || !isCount(raw.writes) || !isCount(raw.rows)) return null;
  return typeof raw.rest === "object" && raw.rest !== null ? (raw as Header) : null;
}

function thingOf(text: string): Thing | null {
  const raw = objectOf(text) as Partial<Thing> | null;
  if (raw === null || !isCount(raw.version) || !isCount(raw.writes) || typeof raw.key !== "string") return null;
  if (!TABLES.includes(raw.table as Table) || raw.row === undefined || raw.row === null) return null;
  return raw as Thing;
}

export function keptIn(files: ReadonlyMap<string, string>): Kept {
  const things: Thing[] = [];
  const damaged: string[] = [];
  for (const [name, text] of files) {
    if (name === HEADER_FILE) continue;
    const thing = thingOf(text);
    if (thing !== null && fileNameOf(thing.table, thing.key) === name) things.push(thing);
    else damaged.push(name);
  }
  return { header: headerOf(files.get(HEADER_FILE) ?? ""), things, damaged };
}

/** Are these, by themselves, all rows of one write of the state? */
export function isComplete({ header, things, damaged }: Kept): boolean {
  if (header === null || damaged.length > 0 || things.length !== header.rows) return false;
  return things.every(({ writes }) => writes <= header.writes) && header.version <= STATE_VERSION;
}

function objectOf(text: string): object | null {
  try {
    const raw: unknown = JSON.parse(text);
    return typeof raw === "object" && raw !== null ? raw : null;
  } catch {
    return null;
  }
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
