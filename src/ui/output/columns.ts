/** A column: the key of a JSON object, and how people see it in a table. */

import { humanAge, humanSize, humanSpan, humanTime } from "../../units.ts";
import type { Paint } from "../colour.ts";
import { cell, isObject, type Json } from "./json.ts";
import { AMOUNT, BOOLEAN, listOf, orNull, type Shape, TEXT, TIME, WHOLE } from "./shape.ts";

export interface Column<Row> {
  /** snake_case; what -c, --sort, --filter and --query call it. */
  readonly key: string;
  readonly header: string;
  readonly align: "left" | "right";
  /** Is it in the table of a list without -c? `show`, json and yaml have it anyway. */
  readonly listed: boolean;
  /** Where a list is too wide for the terminal, the lowest ranks come first, and 0 is always there. */
  readonly rank: number;
  readonly value: (row: Row) => Json;
  /** Of that value: the schemas are made of it. */
  readonly shape: Shape<unknown>;
  /** For people; not made harmless yet. `nowMs`: times are told as ages. */
  readonly text: (value: Json, nowMs?: number) => string;
  readonly paint?: (value: Json) => Paint | null;
}

export interface ColumnExtras {
  readonly header?: string;
  /** False: only in `show`, json, yaml, or where -c names it. */
  readonly listed?: boolean;
  readonly rank?: number;
}

/**
 * The name is always there; then status, and what else matters of a noun (its columns say so with 1); then the age; an
 * id, which nobody needs who has a name; and all else. What has no name of its own gives its id 0.
 */
const RANKS: Readonly<Record<string, number>> = { name: 0, status: 1, created_at: 2, id: 3 };
const OTHERS = 4;

const WORDS: Readonly<Record<string, string>> = { id: "ID", vcpus: "VCPUs", ram: "RAM", ip: "IP", macs: "MACs" };

/** What a key says of its value's unit, which people see in the value. */
const UNIT = /_(bytes|ms|at)$/;

/** `ram_bytes` → RAM, `created_at` → Created, `key_name` → Key name. */
function headerOf(key: string): string {
  const words = key.replace(UNIT, "").split("_");
  const label = words.map((word) => WORDS[word] ?? word).join(" ");
  return label.charAt(0).toUpperCase() + label.slice(1);
}

/** A value that may be missing is null, and its column says so. */
interface OrNull {
  readonly orNull: true;
}

type Extras<T> = ColumnExtras & {
  /** Where it is more than the builder knows: words that are all there are. */
  readonly shape?: Shape<T>;
};

/** Makes the column of a value of the type T. */
interface Builder<T extends Json> {
  <Row>(key: string, value: (row: Row) => T, extras?: Extras<T>): Column<Row>;
  <Row>(key: string, value: (row: Row) => T | null, extras: Extras<T> & OrNull): Column<Row>;
}

type How = Partial<Pick<Column<never>, "align" | "text" | "paint">>;

function builder<T extends Json>(usual: Shape<T>, how: How = {}): Builder<T> {
  return <Row>(key: string, value: (row: Row) => Json, extras: Extras<T> & Partial<OrNull> = {}): Column<Row> => {
    const shape = extras.shape ?? usual;
    return column(key, value, extras.orNull ? orNull<T>(shape) : shape, extras, how);
  };
}

function column<Row>(
  key: string,
  value: (row: Row) => Json,
  shape: Shape<unknown>,
  extras: ColumnExtras,
  how: How,
): Column<Row> {
  return {
    key,
    value,
    shape,
    header: extras.header ?? headerOf(key),
    listed: extras.listed ?? true,
    rank: extras.rank ?? RANKS[key] ?? OTHERS,
    align: "left",
    text: (one) => peopleText(one),
    ...how,
  };
}

/** Text: names, ids, words. */
export const text = builder<string>(TEXT);

export const number = builder<number>(WHOLE, { align: "right" });

/** An integer of bytes: `10 GiB` for people. The key ends in `_bytes`. */
export const size = builder<number>(AMOUNT, {
  align: "right",
  text: (bytes) => (typeof bytes === "number" ? humanSize(bytes) : ""),
});

/** ISO 8601 UTC; for people the age, or short and local. The key ends in `_at`. */
export const time = builder<string>(TIME, {
  text: (iso, nowMs) => {
    if (typeof iso !== "string") return "";
    return nowMs === undefined ? humanTime(iso) : humanAge(iso, nowMs);
  },
});

/** How long something took, in milliseconds: `2.4 s` for people. The key ends in `_ms`. */
export const span = builder<number>(AMOUNT, {
  align: "right",
  text: (ms) => (typeof ms === "number" ? humanSpan(ms) : ""),
});

/** true or false: `yes` or `no` for people. */
export const flag = builder<boolean>(BOOLEAN);

/** A list of words: behind commas for people. */
export const words = builder<readonly string[]>(listOf(TEXT));

/** Anything nested: objects, lists of objects. `forPeople` draws it for people. */
export function nested<Row, T>(
  key: string,
  value: (row: Row) => NoInfer<T>,
  shape: Shape<T>,
  extras: ColumnExtras & { readonly forPeople?: (value: NoInfer<T>) => string } = {},
): Column<Row> {
  const how = extras.forPeople ? { text: extras.forPeople as (value: Json) => string } : {};
  return column(key, value as (row: Row) => Json, shape, extras, how);
}

const GOOD = ["active", "available", "in-use", "complete", "ready", "done", "ok"];
const BAD = ["error", "failed", "crashed", "expired", "damaged", "unbootable"];

/** A status: green where all is well, red where not, yellow in between. */
export const status = builder<string>(TEXT, {
  paint: (word): Paint | null => {
    if (typeof word !== "string") return null;
    if (GOOD.includes(word)) return "green";
    if (BAD.includes(word)) return "red";
    return ["shutoff", "saved", "shelved"].includes(word) ? "dim" : "yellow";
  },
});

/** Any value for people: `yes` and `no`, lists behind commas, `key=value` pairs, each in the unit its key names. */
export function peopleText(value: Json): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.map(peopleText).join(", ");
  if (isObject(value)) {
    return Object.entries(value)
      .map(([key, item]) => `${key.replace(UNIT, "")}=${inUnit(key, item)}`)
      .join(", ");
  }
  return cell(value);
}

function inUnit(key: string, value: Json): string {
  const unit = UNIT.exec(key)?.[1];
  if (unit === "bytes" && typeof value === "number") return humanSize(value);
  if (unit === "ms" && typeof value === "number") return humanSpan(value);
  return unit === "at" && typeof value === "string" ? humanTime(value) : peopleText(value);
}
