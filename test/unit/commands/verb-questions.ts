/**
 * What is asked: what needs a yes (exit 8 where nobody can be asked, not asked with -y), and an argument that is
 * missing.
 */
import { beforeAll, expect, test } from "vitest";
import type { ArgumentSpec } from "../../../src/commands/framework/arguments.ts";
import { EstratoError } from "../../../src/errors.ts";
import type { Prompts } from "../../../src/ui/prompts.ts";
import { type Bed, everything } from "../core/world.ts";
import { differences, estate, run } from "./estate.ts";
import type { Question } from "./verb-lines.ts";
import { errorOf, ONE_LINE, prepared, withOptions } from "./verb-run.ts";

export function needsYes(one: Question): void {
  const asked: Parameters<Prompts["confirm"]>[0][] = [];
  const answering = (yes: boolean): Prompts => ({
    confirm: async (question) => {
      asked.push(question);
      return yes;
    },
    choose: () => Promise.reject(new Error("not expected")),
    ask: () => Promise.reject(new Error("not expected")),
  });
  const done = async (on: Bed) => expect((await run(on, one.after[0])).stdout).toBe(one.after[1]);
  let on: Bed;
  let before: string;
  beforeAll(async () => {
    on = await prepared(one);
    before = everything(on);
  }, 60_000);

  test("without a terminal, or with --no-input: exit 8, and nothing has changed", async () => {
    const { exit, stdout, stderr } = await run(on, one.line);
    expect({ exit, stdout, stderr }).toEqual({ exit: 8, stdout: "", stderr: expect.stringMatching(ONE_LINE) });
    for (const words of [one.asks, ...one.loses, "Nothing has changed.", "--yes"]) expect(stderr).toContain(words);
    const json = await run(on, withOptions("-f json", one.line));
    expect(JSON.parse(json.stderr)).toEqual({ error: errorOf(8, withOptions("-f json", one.line)) });
    expect(await run(on, withOptions("--no-input", one.line), { prompts: answering(true) })).toMatchObject({ exit: 8 });
    expect(differences(before, everything(on))).toEqual([]);
  });

  test("answered with no: exit 0, and it says that nothing has changed", async () => {
    asked.length = 0;
    const result = await run(on, one.line, { prompts: answering(false) });
    expect(result).toEqual({ exit: 0, stdout: "", stderr: "Nothing has changed.\n" });
    expect(asked).toMatchObject([{ text: one.asks, loses: one.loses.map((loss) => expect.stringContaining(loss)) }]);
    expect(differences(before, everything(on))).toEqual([]);
  });

  test("as a dry run: nobody is asked, and nothing has changed", async () => {
    const result = await run(on, withOptions("-n", one.line), { prompts: answering(false) });
    expect(result).toMatchObject({ exit: 0, stderr: expect.not.stringContaining(one.asks) });
    expect(differences(before, everything(on))).toEqual([]);
  });

  test("answered with yes, or with -y: it is done", async () => {
    const willing = await prepared(one);
    expect(await run(willing, one.line, { prompts: answering(true) })).toMatchObject({ exit: 0 });
    await done(willing);
    asked.length = 0;
    const told = await prepared(one);
    expect(await run(told, withOptions("-y", one.line), { prompts: answering(false) })).toMatchObject({ exit: 0 });
    expect(asked).toEqual([]);
    await done(told);
  });
}

/** At a terminal; nobody answers. */
export async function asksFor(path: string, { ask, complete }: ArgumentSpec<unknown>): Promise<void> {
  const asked: { question: string; choices: readonly string[] }[] = [];
  const given = (question: string, choices: readonly { readonly value: string }[] = []) => {
    asked.push({ question, choices: choices.map(({ value }) => value) });
    return Promise.reject(new EstratoError("interrupted", "nobody answers"));
  };
  const prompts: Prompts = {
    confirm: () => Promise.reject(new Error("not expected")),
    choose: given,
    ask: (question) => given(question),
  };
  expect(await run(await estate(), path, { prompts })).toMatchObject({ exit: 130, stdout: "" });
  expect(asked).toEqual([{ question: ask, choices: expect.any(Array) }]);
  expect(asked[0]?.choices).toEqual(
    complete === "nothing" ? [] : expect.arrayContaining([EXAMPLES[complete as string]]),
  );
}

/** One of each kind that the estate has. */
const EXAMPLES: Readonly<Record<string, string>> = {
  instance: "legacy",
  running: "legacy",
  snapshot: "web1/upgrade",
  backup: "bak-00000000000000002",
};
