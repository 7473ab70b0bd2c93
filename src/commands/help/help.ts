import { rest } from "../framework/arguments.ts";
import { helpFor } from "../framework/help.ts";
import { verb } from "../framework/verb.ts";

export default verb({
  description: "Shows the help of the program, of a noun, or of a verb: the same as --help there.",
  arguments: { command: rest("COMMAND", "a noun, and a verb of it", { complete: "command" }) },
  changes: false,
  withoutSettings: true,
  examples: [{ line: "estrato help snapshot create", says: "how a snapshot is made" }],
  exits: { 2: "there is no such command" },
  async run({ args, catalogue, streams }) {
    streams.stdout.write(await helpFor(catalogue, args.command));
    return null;
  },
});
