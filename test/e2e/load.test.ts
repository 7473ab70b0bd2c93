/**
 * The load of test/torture: a hundred commands at once, lock files that vanish under them, two stores on one target,
 * and schedules that are due at one minute. `npm run torture -- load` does more of it.
 */
import { expect, it } from "vitest";
import { load } from "../torture/load.ts";

const SCHEDULES = 100;

it.each([["commands"], ["locks"], ["stores"], ["schedules"]])(
  "all end, and what was reported done is there: %s",
  async (part) => {
    const said: string[] = [];
    const scratch = process.env.ESTRATO_BED_DIR as string;
    const seed = Number(process.env.ESTRATO_TEST_SEED ?? 1);
    const wrong = await load(scratch, { seed, parts: [part], schedules: SCHEDULES }, (line) => said.push(line));
    console.log(said.join("\n"));
    expect(wrong).toEqual([]);
    // Commands that are all refused would show nothing.
    expect(said.join("\n")).toMatch(/ended with: .*\b[1-9]\d* with 0\b/);
  },
);
