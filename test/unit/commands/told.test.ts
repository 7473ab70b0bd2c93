/** What a person at a terminal is told once a verb has ended. */
import { expect, test } from "vitest";
import { catalogue } from "../../../src/program.ts";
import { estate, run } from "./estate.ts";
import { PROGRESS } from "./verb-run.ts";

/** What they print says what they did. */
const SHOWN_BY_RESULT = ["backup prune", "backup verify"];

test("every verb that changes something says what it did, and every list how its first thing is made", async () => {
  const silent: string[] = [];
  for (const [name, entry] of Object.entries(catalogue)) {
    if (!("noun" in entry)) continue;
    for (const [word, { load }] of Object.entries((await entry.noun()).default.verbs)) {
      const { changes, done, result } = (await load()).default;
      if (changes && done === null) silent.push(`${name} ${word}`);
      if (word === "list" && name !== "config" && result.empty === null) silent.push(`${name} ${word}`);
    }
  }
  expect(silent.sort()).toEqual(SHOWN_BY_RESULT);
});

test("each of several targets is told of when it is done, and a failure is no success", async () => {
  const { exit, stderr } = await run(await estate(), "instance start web1 nosuch web2", { terminal: true });
  const lines = stderr.replaceAll(PROGRESS, "").split("\n");
  expect({ exit, lines: lines.filter((line) => !line.startsWith("KVM")) }).toEqual({
    exit: 3,
    lines: [
      "web1 runs already.",
      'estrato: instance nosuch: not found. See "estrato instance list".',
      "Started web2 (192.168.122.3).",
      "estrato: 1 of 3 instances failed to start.",
      "",
    ],
  });
});

test.each(["-q", "-f json", "-f value -c name", "--query name", "--dry-run"])(
  "with %s nothing is told",
  async (options) => {
    const { exit, stderr } = await run(await estate(), `${options} instance pause web1`, { terminal: true });
    expect({ exit, stderr: stderr.replaceAll(PROGRESS, "") }).toEqual({ exit: 0, stderr: "" });
  },
);

test("a list of which nothing fits the filter says so, and does not say that there is nothing", async () => {
  const told = async (line: string, terminal = true) => (await run(await estate(), line, { terminal })).stderr;
  expect(await told("snapshot list web1 --filter status=expired")).toBe("None of 4 fits.\n");
  expect(await told("snapshot list web1 --filter status=expired", false)).toBe("");
  expect(await told("snapshot list web1 --limit 0")).toBe("");
});

test("in a pipe nothing is told", async () => {
  expect(await run(await estate(), "instance pause web1")).toEqual({ exit: 0, stdout: "", stderr: "" });
});
