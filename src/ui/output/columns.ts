/** A column: the key of a JSON object, and how people see it in a table. */

import { humanAge, humanSize, humanSpan, humanTime } from "../../units.ts";
import type { Paint } from "../colour.ts";
import { cell, isObject, type Json } from "./json.ts";

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

function column<Row>(
  key: string,
  value: (row: Row) => Json,
  extras: ColumnExtras | undefined,
  how: Partial<Pick<Column<Row>, "align" | "text" | "paint">> = {},
): Column<Row> {
  return {
    key,
    value,
    header: extras?.header ?? headerOf(key),
    listed: extras?.listed ?? true,
    rank: extras?.rank ?? RANKS[key] ?? OTHERS,
    align: "left",
    text: (one) => peopleText(one),
    ...how,
  };
}

/** Text: names, ids, words. */
export function text<Row>(key: string, value: (row: Row) => string | null, extras?: ColumnExtras): Column<Row> {
  return column(key, value, extras);
}

export function number<Row>(key: string, value: (row: Row) => number | null, extras?: ColumnExtras): Column<Row> {
  return column(key, value, extras, { align: "right" });
}

/** An integer of bytes: `10 GiB` for people. The key ends in `_bytes`. */
export function size<Row>(key: string, value: (row: Row) => number | null, extras?: ColumnExtras): Column<Row> {
  const shown = (bytes: Json): string => (typeof bytes === "number" ? humanSize(bytes) : "");
  return column(key, value, extras, { align: "right", text: shown });
}

/** ISO 8601 UTC; for people the age, or short and local. The key ends in `_at`. */
export function time<Row>(key: string, value: (row: Row) => string | null, extras?: ColumnExtras): Column<Row> {
  const shown = (iso: string, nowMs?: number): string => (nowMs === undefined ? humanTime(iso) : humanAge(iso, nowMs));
  return column(key, value, extras, { text: (iso, nowMs) => (typeof iso === "string" ? shown(iso, nowMs) : "") });
}

/** How long something took, in milliseconds: `2.4 s` for people. The key ends in `_ms`. */
export function span<Row>(key: string, value: (row: Row) => number | null, extras?: ColumnExtras): Column<Row> {
  const shown = (ms: Json): string => (typeof ms === "number" ? humanSpan(ms) : "");
  return column(key, value, extras, { align: "right", text: shown });
}

/** true or false: `yes` or `no` for people. */
export function flag<Row>(key: string, value: (row: Row) => boolean | null, extras?: ColumnExtras): Column<Row> {
  return column(key, value, extras);
}

/** A list of words: behind commas for people. */
export function words<Row>(key: string, value: (row: Row) => readonly string[], extras?: ColumnExtras): Column<Row> {
  return column(key, value, extras);
}

/** Anything nested: objects, lists of objects. `told` draws it for people. */
export function nested<Row>(
  key: string,
  value: (row: Row) => Json,
  extras?: ColumnExtras & { readonly forPeople?: (value: Json) => string },
): Column<Row> {
  return column(key, value, extras, extras?.forPeople ? { text: extras.forPeople } : {});
}

const GOOD = ["active", "available", "in-use", "complete", "ready", "done", "ok"];
const BAD = ["error", "failed", "crashed", "expired", "damaged", "unbootable"];

/** A status: green where all is well, red where not, yellow in between. */
export function status<Row>(key: string, value: (row: Row) => string | null, extras?: ColumnExtras): Column<Row> {
  const paint = (word: Json): Paint | null => {
    if (typeof word !== "string") return null;
    if (GOOD.includes(word)) return "green";
    if (BAD.includes(word)) return "red";
    return ["shutoff", "saved", "shelved"].includes(word) ? "dim" : "yellow";
  };
  return column(key, value, extras, { paint });
}

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
