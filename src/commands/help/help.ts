import { rest } from "../framework/arguments.ts";
import { GUIDES, isSpanish } from "../framework/guides.ts";
import { helpFor } from "../framework/help.ts";
import { verb } from "../framework/verb.ts";

export default verb({
  description:
    "Shows the help of the program, of a noun, or of a verb: the same as --help there; or a guide of the manual: " +
    `${Object.keys(GUIDES).join(", ")}.`,
  arguments: { command: rest("COMMAND", "a noun, and a verb of it, or a guide", { complete: "command" }) },
  changes: false,
  withoutSettings: true,
  examples: [
    { line: "estrato help snapshot create", says: "how a snapshot is made" },
    { line: "estrato help concepts", says: "what things are, and what follows" },
  ],
  exits: { 2: "there is no such command" },
  async run({ args, catalogue, factory }) {
    factory.streams.stdout.write(
      await helpFor(catalogue, args.command, factory.terminal.columns, isSpanish(factory.env)),
    );
    return null;
  },
});
