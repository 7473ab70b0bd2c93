/** No verb that changes something is forgotten by the random walk. */
import { expect, test } from "vitest";
import { catalogue } from "../../../src/program.ts";
import { verbs } from "../../torture/table.ts";

/** Verbs without a move, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  "instance exec": "its guests have no system, and what one does changes no layer but its head",
  "instance push": "as instance exec",
  "instance shelve": "the move says `shelve`",
  "instance unshelve": "the move says `unshelve`",
  "snapshot extract": "it writes nothing but files of the user's, and starts a machine of its own for each time",
  "backup extract": "the same",
};

async function changing(): Promise<string[]> {
  const found: string[] = [];
  for (const [word, entry] of Object.entries(catalogue)) {
    if ("verb" in entry) {
      if ((await entry.verb()).default.changes) found.push(word);
      continue;
    }
    for (const [verb, { load }] of Object.entries((await entry.noun()).default.verbs))
      if ((await load()).default.changes) found.push(`${word} ${verb}`);
  }
  return found;
}

test("each verb that changes something has a move of its name, or a reason why it has none", async () => {
  const walked = new Set(verbs.map(({ name }) => name));
  const all = await changing();
  expect(all.filter((name) => !walked.has(name) && !(name in LEFT_OUT))).toEqual([]);
  // Nothing is left out that has a move, or is no such verb.
  expect(Object.keys(LEFT_OUT).filter((name) => walked.has(name) || !all.includes(name))).toEqual([]);
});
