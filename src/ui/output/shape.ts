/**
 * What a value in JSON looks like, in the words of JSON Schema: columns say it beside the value that they give, and the
 * compiler compares the two.
 */
import type { Json, JsonObject } from "./json.ts";

/** Of values of the type T: what the builders here make. */
export interface Shape<T> {
  readonly schema: JsonObject;
  /** Nothing holds it: it makes the shape of one type differ from that of another. */
  readonly of?: T;
}

export const TEXT: Shape<string> = { schema: { type: "string" } };
export const WHOLE: Shape<number> = { schema: { type: "integer" } };
export const FRACTION: Shape<number> = { schema: { type: "number" } };
export const BOOLEAN: Shape<boolean> = { schema: { type: "boolean" } };
/** Bytes, milliseconds: never less than none. */
export const AMOUNT: Shape<number> = { schema: { type: "integer", minimum: 0 } };
/** ISO 8601, UTC. */
export const TIME: Shape<string> = { schema: { type: "string", format: "date-time" } };

/** One of these words and of no others. */
export function oneOf<const W extends string>(...words: readonly W[]): Shape<W> {
  return { schema: { type: "string", enum: words } };
}

export function orNull<T>({ schema }: Shape<T>): Shape<T | null> {
  const { type, enum: words } = schema;
  if (typeof type !== "string") return { schema: { anyOf: [schema, { type: "null" }] } };
  return { schema: { ...schema, type: [type, "null"], ...(Array.isArray(words) ? { enum: [...words, null] } : {}) } };
}

export function listOf<T>({ schema }: Shape<T>): Shape<readonly T[]> {
  return { schema: { type: "array", items: schema } };
}

/** An object whose keys are somebody's own. */
export function mapOf<T>({ schema }: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return { schema: { type: "object", additionalProperties: schema } };
}

/** An object that has all of these keys. */
export function object<T extends object>(keys: { readonly [K in keyof T]-?: Shape<T[K]> }): Shape<T> {
  const entries = Object.entries<Shape<unknown>>(keys);
  return { schema: objectSchema(entries.map(([key, { schema }]) => [key, schema])) };
}

/** The same, of keys and their schemas. */
export function objectSchema(entries: readonly (readonly [string, Json])[]): JsonObject {
  return { type: "object", properties: Object.fromEntries(entries), required: entries.map(([key]) => key) };
}

/** May there be something at `path` (`k` or `k.l`) below a value that looks so? Of a map: anything. */
export function mayHold({ type, anyOf, properties, additionalProperties }: JsonObject, path: string): boolean {
  if (Array.isArray(anyOf)) return anyOf.some((one) => mayHold(one as JsonObject, path));
  if (![type].flat().includes("object")) return false;
  if (additionalProperties !== undefined) return true;
  return Object.entries((properties ?? {}) as Readonly<Record<string, JsonObject>>).some(
    ([key, schema]) => path === key || (path.startsWith(`${key}.`) && mayHold(schema, path.slice(key.length + 1))),
  );
}

/** As one of these. */
export function either<T>(...shapes: readonly Shape<T>[]): Shape<T> {
  return { schema: { anyOf: shapes.map(({ schema }) => schema) } };
}
