/** JSON that a program has printed: read by what is asked of it, so that nothing in it is taken for what it is not. */
import { EstratoError } from "../errors.ts";

/** An object of an answer. What is absent or null is null, and what is of another kind than is asked for: "failed". */
export interface JsonAnswer {
  text(key: string): string | null;
  /** Whole, from 0 on. */
  count(key: string): number | null;
  /** False where it is absent. */
  flag(key: string): boolean;
  inner(key: string): JsonAnswer | null;
  /** Null where it is absent. */
  list(key: string): readonly JsonAnswer[] | null;
}

/** The object in a text; "failed", naming the program, where there is none. */
export function readAnswer(json: string, program: string): JsonAnswer {
  return answerOf(parse(json, program), program);
}

/** The objects of the array in a text. Throws as readAnswer. */
export function readAnswers(json: string, program: string): readonly JsonAnswer[] {
  return answersOf(parse(json, program), program);
}

function parse(json: string, program: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new EstratoError("failed", `${program}: an answer that is no JSON`, { cause });
  }
}

function strange(program: string, what: string): EstratoError {
  return new EstratoError("failed", `${program}: an answer that is not understood: ${what}`);
}

function answersOf(value: unknown, program: string, what = "it is no list"): readonly JsonAnswer[] {
  if (!Array.isArray(value)) throw strange(program, what);
  return value.map((each) => answerOf(each, program));
}

function answerOf(value: unknown, program: string, what = "it is no object"): JsonAnswer {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw strange(program, what);
  const object = value as Readonly<Record<string, unknown>>;
  const field = <T>(key: string, take: (found: unknown) => T | undefined): T | null => {
    const found = Object.hasOwn(object, key) ? (object[key] ?? null) : null;
    if (found === null) return null;
    const taken = take(found);
    if (taken === undefined) throw strange(program, key);
    return taken;
  };
  return {
    text: (key) => field(key, (found) => (typeof found === "string" ? found : undefined)),
    count: (key) =>
      field(key, (found) => (Number.isSafeInteger(found) && Number(found) >= 0 ? Number(found) : undefined)),
    flag: (key) => field(key, (found) => (typeof found === "boolean" ? found : undefined)) ?? false,
    inner: (key) => field(key, (found) => answerOf(found, program, key)),
    list: (key) => field(key, (found) => answersOf(found, program, key)),
  };
}
