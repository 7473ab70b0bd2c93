/**
 * The load of test/torture: a hundred commands at once, lock files that vanish under them, two stores on one target.
 * `npm run torture -- load` does more of it.
 */
import { expect, it } from "vitest";
import { load } from "../torture/load.ts";

it.each([["commands"], ["locks"], ["stores"]])("all end, and what was reported done is there: %s", async (part) => {
  const said: string[] = [];
  const scratch = process.env.ESTRATO_BED_DIR as string;
  const wrong = await load(scratch, Number(process.env.ESTRATO_TEST_SEED ?? 1), [part], (line) => said.push(line));
  console.log(said.join("\n"));
  expect(wrong).toEqual([]);
  // Commands that are all refused would show nothing.
  expect(said.join("\n")).toMatch(/ended with: [1-9]\d* with 0/);
});
