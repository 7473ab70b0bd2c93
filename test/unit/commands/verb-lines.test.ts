import { expect, test } from "vitest";
import { many } from "../../../src/commands/framework/arguments.ts";
import { noun } from "../../../src/commands/framework/noun.ts";
import { flag, text } from "../../../src/commands/framework/options.ts";
import { verb } from "../../../src/commands/framework/verb.ts";
import { refusals, unexercised } from "./verb-lines.ts";

const grow = verb({
  description: "Grows things.",
  arguments: { things: many("THING", "the thing", { complete: "instance" }) },
  options: { fast: flag("fast"), keyName: text("KEY", "a key", { short: "-k" }) },
  changes: true,
  examples: [],
  exits: { 5: "it is grown up" },
  run: async () => null,
});
const thing = noun({
  description: "Things.",
  verbs: { grow: { summary: "Grow", load: async () => ({ default: grow }), aliases: ["swell"] } },
  defaultVerb: "grow",
});

test("a verb without lines is named, and so is each option, name and exit code that no line exercises", async () => {
  expect(await unexercised("thing", thing, {})).toEqual(["grow", "thing swell", "thing"]);
  const some = { well: [{ line: "thing grow a --fast" }], refused: [] };
  expect(await unexercised("thing", thing, { grow: some })).toEqual([
    "grow --key-name",
    "grow exit 5",
    "grow several targets",
    "thing swell",
    "thing",
  ]);
  const all = {
    also: ["thing swell", "thing"],
    well: [...some.well, { line: "thing grow a -k mine" }],
    refused: refusals(["thing grow b", 5, "it is grown up"]),
    several: { good: "a", words: "things failed to grow" },
  };
  expect(await unexercised("thing", thing, { grow: all })).toEqual([]);
});
