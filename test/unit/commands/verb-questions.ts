/** What needs a yes: asked at a terminal, exit 8 without one, not asked with -y. */
import { beforeAll, expect, test } from "vitest";
import type { Prompts } from "../../../src/ui/prompts.ts";
import { type Bed, everything } from "../core/world.ts";
import { differences, run } from "./estate.ts";
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
  });

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
    expect(asked).toEqual([{ text: one.asks, loses: one.loses.map((loss) => expect.stringContaining(loss)) }]);
    expect(differences(before, everything(on))).toEqual([]);
  });

  test("as a dry run: nobody is asked, and nothing has changed", async () => {
    const result = await run(on, withOptions("-n", one.line), { prompts: answering(false) });
    expect(result).toMatchObject({ exit: 0, stderr: "" });
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
