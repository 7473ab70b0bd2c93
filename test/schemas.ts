/** What is printed as JSON, against the schemas that are checked in: closed ones, so that no key is forgotten there. */
import { readFileSync } from "node:fs";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { expect } from "vitest";
import { resolve } from "../src/commands/framework/resolve.ts";
import { catalogue } from "../src/program.ts";

interface Schema {
  readonly [key: string]: unknown;
  readonly type?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly $defs?: Readonly<Record<string, Schema>>;
}

export function schemaNamed(name: string): Schema {
  return JSON.parse(readFileSync(`schemas/${name}.schema.json`, "utf8"));
}

const compiled = new Map<string, ValidateFunction>();

/** `part`: of `$defs`; null: the whole document. Of an instance's `properties` any key may be there. */
function validator(name: string, part: string | null): ValidateFunction {
  const key = `${name}#${part}`;
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const { $defs = {}, ...document } = schemaNamed(name);
  const shared = [name, "details", "changed"]; // parts of what the verbs print
  const inner = Object.entries($defs).map(([word, one]) => {
    const inside = withClosedInside(one);
    return [word, shared.includes(word) ? inside : closed(inside)];
  });
  const whole = part === null ? document : { $ref: `#/$defs/${part}` };
  const ajv = new Ajv2020({ allErrors: true, strict: true, strictTypes: false, strictRequired: false });
  // @ts-expect-error: its types say that the module is the default of itself
  addFormats(ajv);
  const made = ajv.compile({ ...closed(withClosedInside(whole)), $defs: Object.fromEntries(inner) });
  compiled.set(key, made);
  return made;
}

/** Nothing but what is said: a list of such, or one of several such, or one. */
function closed(schema: Schema): Schema {
  if (schema.anyOf !== undefined) return { ...schema, anyOf: schema.anyOf.map(closed) };
  if (schema.items !== undefined) return { ...schema, items: closed(schema.items) };
  return { ...schema, unevaluatedProperties: false };
}

/** The same of all that lies in it, but not of itself: it may be a part of another. */
function withClosedInside(schema: Schema): Schema {
  const inside = (one: Schema): Schema => withClosedInside(one.properties === undefined ? one : closed(one));
  return {
    ...schema,
    ...(schema.anyOf === undefined ? {} : { anyOf: schema.anyOf.map(inside) }),
    ...(Array.isArray(schema.allOf) ? { allOf: schema.allOf.map(withClosedInside) } : {}),
    ...(schema.items === undefined ? {} : { items: inside(schema.items) }),
    ...(schema.properties === undefined
      ? {}
      : { properties: Object.fromEntries(Object.entries(schema.properties).map(([key, one]) => [key, inside(one)])) }),
  };
}

/** Fails where `value` is not what this schema says. */
export function expectSchema(name: string, part: string | null, value: unknown): void {
  const validate = validator(name, part);
  const isValid = validate(value);
  const wrong = isValid
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message}`);
  expect(wrong, `${name}.schema.json, ${part ?? "the document"}: ${JSON.stringify(value)}`).toEqual([]);
}

/** Fails where this is not what the verb of this line prints, or, where it is a plan, what --dry-run prints. */
export async function expectSchemaOf(words: readonly string[], value: unknown): Promise<void> {
  const found = await resolve(catalogue, words);
  if (found.is !== "verb") throw new Error(`${words.join(" ")}: no verb`);
  const [noun = "", verb = noun] = found.path;
  const all = [value].flat();
  if (all.length > 0 && all.every((one) => typeof one === "object" && one !== null && "frees_bytes" in one)) {
    for (const one of all) expectSchema("plan", null, one);
  } else expectSchema(noun, verb, value);
}
