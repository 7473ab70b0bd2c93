import { rest } from "../framework/arguments.ts";
import { verb } from "../framework/verb.ts";

/**
 * Called by the scripts of `completion`. Prints lines of VALUE<tab>DESCRIPTION, and never an error: a shell would show
 * it in the middle of a line.
 */
export default verb({
  description: "Completes the last of the words that stand behind the program's name.",
  arguments: { words: rest("WORD", "the line so far; the last word is the one to complete") },
  changes: false,
  withoutStore: true,
  withoutSettings: true,
  raw: true,
  examples: [],
  async run({ args, catalogue, factory, streams }) {
    const [{ completed }, { sourcesOf }] = await Promise.all([import("./completed.ts"), import("./sources.ts")]);
    const sources = sourcesOf(factory, catalogue, args.words);
    try {
      const found = await completed(catalogue, args.words, sources);
      streams.stdout.write(found.map(({ value, description }) => `${value}\t${description}\n`).join(""));
    } catch {
      // nothing to offer
    } finally {
      sources.close();
    }
    return null;
  },
});
