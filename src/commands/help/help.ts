import { rest } from "../framework/arguments.ts";
import { GUIDES, languageFor } from "../framework/guides.ts";
import { helpFor } from "../framework/help.ts";
import { verb } from "../framework/verb.ts";

const TRANSLATED = Object.keys(GUIDES).filter((name) => GUIDES[name]?.es !== undefined);

export default verb({
  description:
    "Shows the help of the program, of a noun, or of a verb: the same as --help there; or a guide of the manual: " +
    `${Object.keys(GUIDES).join(", ")}.\n\n` +
    "Guides come in the language that the setting `language` names, or else LC_ALL, LC_MESSAGES or LANG, where there is one in it: " +
    `${TRANSLATED.join(" and ")} are there in Spanish (es).`,
  arguments: { command: rest("COMMAND", "a noun, and a verb of it, or a guide", { complete: "command" }) },
  changes: false,
  withoutSettings: true,
  examples: [
    { line: "estrato help snapshot create", says: "how a snapshot is made" },
    { line: "estrato help concepts", says: "what things are, and what follows" },
  ],
  exits: { 2: "there is no such command" },
  async run({ args, catalogue, factory }) {
    const language = () => languageFor(factory.surroundings);
    factory.streams.stdout.write(await helpFor(catalogue, args.command, factory.terminal.columns, language));
    return null;
  },
});
