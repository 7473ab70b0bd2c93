/** The tests that the tables of verb-lines.ts stand for. */
import { describe, expect, test } from "vitest";
import type { Noun, Verb } from "../../../src/commands/framework/tree.ts";
import { expectSchemaOf } from "../../schemas.ts";
import { everything } from "../core/world.ts";
import { differences, estate, run } from "./estate.ts";
import {
  declaredRefusals,
  type NounLines,
  type Refusal,
  type Several,
  unexercised,
  type VerbLines,
  type Well,
} from "./verb-lines.ts";
import { asksFor, needsYes } from "./verb-questions.ts";
import { errorOf, ONE_LINE, PROGRESS, prepared, withOptions } from "./verb-run.ts";

/**
 * Tests every verb of a noun by its table. Fails where a verb, an option or an exit code is declared that no line
 * exercises.
 */
export async function testNoun(name: string, noun: Noun, tables: NounLines): Promise<void> {
  await estate(); // made here, it is not counted as the time of whichever test comes first
  test(`every verb of ${name} has its lines, with each option, other name and exit code`, async () => {
    expect(await unexercised(name, noun, tables)).toEqual([]);
    expect(Object.keys(tables).filter((word) => !(word in noun.verbs))).toEqual([]);
  });
  for (const [word, { load }] of Object.entries(noun.verbs)) {
    const lines = tables[word];
    if (lines !== undefined) await testVerb(`${name} ${word}`, (await load()).default, lines);
  }
}

async function testVerb(path: string, verb: Verb, lines: VerbLines): Promise<void> {
  describe(path, () => {
    testLines(lines, path, verb);
    test.each(declaredRefusals(path, verb, lines))("$line: exit $exit, $says", refuses);
    const [first] = Object.values(verb.arguments);
    if (first?.ask != null && verb.guide === null)
      test(`asks for a missing ${first.label}`, () => asksFor(path, first));
  });
  for (const other of lines.also ?? [])
    describe(`${other}, which is ${path}`, () => testLines(calledAs(other, path, lines), other, verb));
}

function calledAs(other: string, path: string, lines: VerbLines): VerbLines {
  const renamed = <T extends { readonly line: string }>(one: T): T => ({ ...one, line: one.line.replace(path, other) });
  return {
    ...lines,
    well: lines.well.map(renamed),
    refused: lines.refused.map(renamed),
    asks: (lines.asks ?? []).map(renamed),
  };
}

function testLines({ well, refused, asks = [], several }: VerbLines, path: string, verb: Verb): void {
  for (const one of well) describe(`${one.line}: done`, () => goesWell(one, verb));
  test.each(refused)("$line: exit $exit, $says", refuses);
  for (const one of asks) describe(`${one.line} needs a yes`, () => needsYes(one));
  if (several !== undefined) describe("several targets", () => triesAll(several, path));
}

function goesWell(one: Well, verb: Verb): void {
  const { line, json, prints, notes = [], plan, after } = one;
  const stderr = notes.map((note) => `${note}\n`).join("");
  const go = async (options: string, terminal = false) => {
    const on = await prepared(one);
    return { on, result: await run(on, withOptions(options, line).trim(), { ...one.how?.(on), terminal }) };
  };

  test("in a pipe: the result alone on stdout", async () => {
    const { on, result } = await go("");
    expect(result).toMatchObject({ exit: 0, stderr });
    if (prints !== undefined)
      expect(result.stdout).toEqual(typeof prints === "string" ? prints : expect.stringMatching(prints));
    else requireColumns(result.stdout, json, verb);
    if (after !== undefined) expect((await run(on, after[0])).stdout).toBe(after[1]);
  });

  test("as JSON: the keys of the contract", async () => {
    const { result } = await go("-f json");
    expect({ exit: result.exit, stderr: result.stderr }).toEqual({ exit: 0, stderr });
    if (json === undefined) expect(result.stdout).toEqual(prints === undefined ? "" : expect.any(String));
    else expect(withoutMarks(JSON.parse(result.stdout), verb)).toEqual(json);
    if (json !== undefined) await expectSchemaOf(line.split(" "), JSON.parse(result.stdout));
    const ids = [json].flat().flatMap((item) => (item as { id?: unknown } | undefined)?.id ?? []);
    if (ids.length > 0) expect((await go("-f value -c id")).result.stdout.split("\n")).toEqual([...ids, ""]);
  });

  test("at a terminal: the same message, a table, and a sentence on what was done", async () => {
    const { result } = await go("", true);
    const told = result.stderr.replaceAll(PROGRESS, "");
    expect({ exit: result.exit, begin: told.slice(0, stderr.length) }).toEqual({ exit: 0, begin: stderr });
    const isTold = verb.done !== null || (verb.result.empty !== null && result.stdout === "");
    expect(told.slice(stderr.length)).toMatch(isTold ? /^([A-Z][^\n]*\.\n|[\w-]+ (is|runs) [^\n]*\.\n)*$/ : /^$/);
    if (json === undefined || verb.result.onRequest) expect(result.stdout === "").toBe(prints === undefined);
    else expect(result.stdout).not.toMatch(/^[^\n]*\t/);
  });

  test(verb.changes ? "with -q: nothing" : "with -q: what was asked for, and no message", async () => {
    const { result } = await go("-q");
    const expected = verb.changes ? "" : (await go("")).result.stdout;
    expect(result).toEqual({ exit: 0, stdout: expected, stderr: "" });
  });

  if (!verb.changes) return;
  test("with --dry-run: the plan with its commands, and nothing is changed", async () => {
    const { on, result } = await go("--dry-run");
    const after = everything(on);
    expect(result.exit).toBe(0);
    for (const command of plan ?? []) expect(result.stdout).toContain(command);
    if (plan?.length === 0) expect(result.stdout).toMatch(/^(Note: [^\n]+\n\n?)*$/);
    expect(differences(everything(await prepared(one)), after)).toEqual([]);
  });
}

/** Each object that a verb answers with which changes something says whether it did. */
function withoutMarks(printed: unknown, { changes }: Verb): unknown {
  if (!changes) return printed;
  if (Array.isArray(printed)) return printed.map((one) => withoutMarks(one, { changes } as Verb));
  const { changed, schema_version, ...rest } = printed as Record<string, unknown>;
  expect({ changed, schema_version }).toEqual({ changed: expect.any(Boolean), schema_version: 1 });
  return rest;
}

/**
 * Tab-separated, full values: `key<TAB>value` of one thing, a line for each of a list, nothing where it is told on
 * request alone.
 */
function requireColumns(stdout: string, json: unknown, { result }: Verb): void {
  const lines = stdout.split("\n").slice(0, -1);
  if (json === undefined || result.onRequest) expect(stdout).toBe("");
  else if (result.shape === "list") {
    const listed = result.columns.filter((column) => column.listed);
    expect(lines.map((text) => text.split("\t").length)).toEqual((json as unknown[]).map(() => listed.length));
  } else {
    const things = [json].flat() as object[];
    expect(lines.filter((text) => text !== "").map((text) => text.split("\t")[0])).toEqual(
      things.flatMap(() => result.columns.map(({ key }) => key)),
    );
  }
}

async function refuses(one: Refusal): Promise<void> {
  const on = await prepared(one);
  const before = everything(on);
  const notes = (one.notes ?? []).map((note) => `${note}\n`).join("");
  const go = async (options: string) => {
    const result = await run(on, withOptions(options, one.line).trim(), one.how?.(on));
    expect(result.exit).toBe(one.exit);
    if (one.prints === undefined) expect(result.stdout).toBe("");
    else expect(result.stdout).toMatch(one.prints);
    expect(result.stderr.slice(0, notes.length)).toBe(notes);
    return result.stderr.slice(notes.length);
  };
  const said = await go("");
  expect(said).toMatch(ONE_LINE);
  expect(said).toContain(one.says);
  if (one.late === true) return;
  expect(differences(before, everything(on))).toEqual(one.changes ?? []);

  const { error } = JSON.parse(await go("-f json"));
  expect(error).toEqual(errorOf(one.exit, withOptions("-f json", one.line)));
  expect(`${error.message} ${error.hint}`).toContain(one.says);

  expect(await go("--dry-run")).toBe(said);
  expect(differences(before, everything(on))).toEqual(one.changes ?? []);
}

function triesAll(several: Several, path: string): void {
  const { good, words, options = "", countsDone = false } = several;
  const go = async (global: string, targets: string) => {
    const on = await prepared(several);
    const line = [global, path, targets, options].filter(Boolean).join(" ");
    return { on, line, result: await run(on, line) };
  };
  const last = (stderr: string) => stderr.trimEnd().split("\n").at(-1);

  test("are all tried: each failure is said, and the last line counts them", async () => {
    const { result } = await go("", `nosuch-1 ${good} nosuch-2`);
    expect(result.exit).toBe(3);
    expect(last(result.stderr)).toBe(`estrato: ${countsDone ? 1 : 2} of 3 ${words}.`);
    for (const target of ["nosuch-1", "nosuch-2"])
      expect(result.stderr).toMatch(new RegExp(`^estrato: .*${target}`, "m"));
  });

  test("each failure is one object with -f json", async () => {
    const { result, line } = await go("-f json", `nosuch-1 ${good} nosuch-2`);
    const errors = result.stderr
      .split("\n")
      .filter((text) => text.startsWith("{"))
      .map((text) => JSON.parse(text).error);
    expect(errors).toEqual([errorOf(4, line), errorOf(4, line), errorOf(3, line)]);
    if (result.stdout !== "") expect(JSON.parse(result.stdout)).toHaveLength(1);
  });

  test("that all fail alike: that exit code", async () => {
    const { result } = await go("", "nosuch-1 nosuch-2");
    expect({ exit: result.exit, stdout: result.stdout }).toEqual({ exit: 4, stdout: "" });
    expect(last(result.stderr)).toBe(`estrato: ${countsDone ? 0 : 2} of 2 ${words}.`);
  });

  test("as a dry run: the same exit code, and nothing has changed", async () => {
    const { on, result } = await go("-n", `nosuch-1 ${good} nosuch-2`);
    const after = everything(on);
    expect(result.exit).toBe(3);
    expect(differences(everything(await prepared(several)), after)).toEqual([]);
  });
}
