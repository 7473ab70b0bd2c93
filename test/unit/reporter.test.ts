import { describe, expect, test } from "vitest";
import { createReporter } from "../../src/reporter.ts";
import type { Prompts } from "../../src/ui/prompts.ts";

const question = { text: "Forget it?", loses: ["it"] };

/** `answer`: what a person says at a terminal; null: there is none. */
function reporter(answer: boolean | null, yes: boolean) {
  return createReporter({
    globals: { quiet: false, verbose: false, yes, dryRun: false },
    env: {},
    status: { show: () => undefined, clear: () => undefined, end: () => undefined },
    say: () => undefined,
    prompts: () => (answer === null ? null : ({ confirm: async () => answer } as unknown as Prompts)),
  });
}

describe("a question", () => {
  test("is answered by --yes, at a terminal too", async () => {
    for (const answer of [null, false]) expect(await reporter(answer, true).confirm(question)).toBe(true);
    await expect(reporter(null, false).confirm(question)).rejects.toMatchObject({ code: "needs_yes" });
  });

  test("that only a person can answer is not, and is no where nobody can be asked", async () => {
    const hard = { ...question, byPerson: true };
    for (const yes of [true, false]) {
      expect(await reporter(null, yes).confirm(hard)).toBe(false);
      expect(await reporter(false, yes).confirm(hard)).toBe(false);
      expect(await reporter(true, yes).confirm(hard)).toBe(true);
    }
  });
});
