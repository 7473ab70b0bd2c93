/**
 * Writes the JSON Schemas of what is printed with `-f json`: `node dist/schemas.js schemas`. An entry point of its own,
 * so that the program does not carry it.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SCHEMA_VERSION } from "./commands/framework/run.ts";
import type { Catalogue, Verb } from "./commands/framework/tree.ts";
import { catalogue } from "./program.ts";
import { ERROR_SHAPE } from "./ui/errors.ts";
import type { Json, JsonObject } from "./ui/output/json.ts";
import { objectSchema, type Shape } from "./ui/output/shape.ts";
import { PLAN_SHAPE } from "./ui/plan.ts";
import { PROGRESS_SHAPE } from "./ui/progress.ts";

type Named = readonly (readonly [string, Verb])[];

/** Not of one noun. */
const OTHERS: readonly (readonly [string, string, Shape<unknown>])[] = [
  ["plan", "What --dry-run prints; of several targets an array of such", PLAN_SHAPE],
  ["error", "What stands on stderr when a line fails", ERROR_SHAPE],
  ["progress", "Each line on stderr with --progress json", PROGRESS_SHAPE],
];

/** By file name, all of them: a noun's, and those of the verbs that have none. */
export async function allSchemas(): Promise<Map<string, string>> {
  const schemas = new Map<string, string>();
  const add = (name: string, about: string, schema: JsonObject): void => {
    const head = { $schema: "https://json-schema.org/draft/2020-12/schema", $id: `urn:estrato:${name}`, title: about };
    schemas.set(`${name}.schema.json`, `${JSON.stringify({ ...head, ...schema }, null, 2)}\n`);
  };
  for (const [name, { summary, ...entry }] of Object.entries(catalogue)) {
    const printing = (await verbsOf(name, entry)).filter(([, { result }]) => result.columns.length > 0);
    if (printing.length > 0) add(name, summary, nounSchema(name, printing));
  }
  for (const [name, about, { schema }] of OTHERS) add(name, about, schema);
  return schemas;
}

async function verbsOf(name: string, entry: Omit<Catalogue[string], "summary">): Promise<Named> {
  if ("verb" in entry) return [[name, (await (entry as { verb: () => Promise<{ default: Verb }> }).verb()).default]];
  const { verbs } = (await (entry as Extract<Catalogue[string], { noun: unknown }>).noun()).default;
  return Promise.all(Object.entries(verbs).map(async ([verb, { load }]) => [verb, (await load()).default] as const));
}

/** An object that several verbs print, by its name below `$defs`. */
interface Known {
  readonly name: string;
  readonly schema: JsonObject;
  /** As it stands there. */
  readonly written: JsonObject;
}

/**
 * The whole document is what `show` prints, or, where there is none, `list`, or the only verb; what each verb prints is
 * below `$defs`, and there, too, by the noun's name, what a row of its list is, and `details`, what `show` adds to it.
 */
function nounSchema(name: string, verbs: Named): JsonObject {
  const named = new Map(verbs);
  const whole = ["show", "list", name].find((verb) => named.has(verb)) ?? "";
  const known = named.has(name) ? [] : knownObjects(name, named);
  return {
    $ref: `#/$defs/${whole}`,
    $defs: {
      ...Object.fromEntries(known.map((one) => [one.name, one.written])),
      ...(verbs.some(([, { changes }]) => changes) ? { changed: CHANGED } : {}),
      ...Object.fromEntries(verbs.map(([verb, one]) => [verb, answerOf(one, known)])),
    },
  };
}

/** The one with more keys last. */
function knownObjects(name: string, verbs: ReadonlyMap<string, Verb>): Known[] {
  const [row, details] = ["list", "show"].map((verb) => objectOf(verbs.get(verb)));
  if (row === undefined || details === undefined) return [];
  const base = { name, schema: row, written: row };
  const more = asMoreThan(details, base);
  if (!verbs.has("show") || more === null || more.length === 1) return [base];
  return [base, { name: "details", schema: details, written: { allOf: more } }];
}

/** What a verb says that changes something, besides its columns. */
const CHANGED: JsonObject = objectSchema([
  ["changed", { type: "boolean" }],
  ["schema_version", { const: SCHEMA_VERSION }],
]);

function objectOf(verb: Verb | undefined): JsonObject {
  return objectSchema((verb?.result.columns ?? []).map(({ key, shape }) => [key, shape.schema]));
}

function answerOf(verb: Verb, known: readonly Known[]): JsonObject {
  const schema = objectOf(verb);
  const said = known.map((one) => asMoreThan(schema, one)).findLast((parts) => parts !== null) ?? [schema];
  const parts = [...said, ...(verb.changes ? [{ $ref: "#/$defs/changed" }] : [])];
  const one = parts.length === 1 ? (parts[0] as JsonObject) : { allOf: parts };
  const all = { type: "array", items: one };
  if (verb.result.shape === "list") return all;
  const takesSeveral = Object.values(verb.arguments).some(({ many }) => many) || verb.chooses !== null;
  const mayBeSeveral = takesSeveral || "count" in verb.options;
  return mayBeSeveral ? { anyOf: [one, all] } : one;
}

/** The same as what is known, and what it has besides; null where it has not all keys of that. */
function asMoreThan(schema: JsonObject, known: Pick<Known, "name" | "schema">): JsonObject[] | null {
  const [all, those] = [schema, known.schema].map(({ properties }) => Object.entries(properties as JsonObject));
  const keys = new Map(all);
  const isSame = ([key, value]: readonly [string, Json]) => JSON.stringify(keys.get(key)) === JSON.stringify(value);
  if (those === undefined || !those.every(isSame)) return null;
  const more = [...keys].filter(([key]) => !those.some(([other]) => other === key));
  return [{ $ref: `#/$defs/${known.name}` }, ...(more.length === 0 ? [] : [objectSchema(more)])];
}

/** Writes them, and removes those of what is no more. */
async function writeSchemas(folder: string): Promise<void> {
  const schemas = await allSchemas();
  mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(folder)) if (!schemas.has(file)) rmSync(join(folder, file));
  for (const [file, text] of schemas) writeFileSync(join(folder, file), text);
}

const [, script, folder] = process.argv;
if (script?.endsWith("schemas.js") && folder !== undefined) await writeSchemas(folder);
