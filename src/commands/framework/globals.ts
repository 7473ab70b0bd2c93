/** The options of every command. They may stand anywhere in the line. */
import type { Globals } from "../../globals.ts";
import { FORMATS } from "../../ui/output/options.ts";
import { choice, count, duration, flag, type OptionSpec, repeated, text } from "./options.ts";

export const GLOBAL_OPTIONS: { readonly [Key in keyof Globals]: OptionSpec<Globals[Key]> } = {
  format: choice(
    FORMATS,
    "how the result is written; where it is not said, a table at a terminal, and tabs in a pipe",
    {
      short: "-f",
      aliases: ["--output"],
    },
  ),
  column: repeated(text("NAME", "print this column of the result; repeat it, the order counts", { short: "-c" })),
  sort: text("KEY[:desc]", "sort a list by this key"),
  filter: repeated(text("KEY=VALUE", "list only what is equal there; repeat it: all must hold")),
  limit: count("list at most this many", { least: 0 }),
  query: text("JMESPATH", "print what this JMESPath expression finds in the result; json unless --format is given"),
  wide: flag("print every column of a list, also where the terminal is too narrow for it"),
  noHeader: flag("print no line of headers"),
  yes: flag("answer every question with yes", { short: "-y" }),
  noInput: flag("never ask anything"),
  dryRun: flag("print the ordered plan with its commands, and change nothing", { short: "-n" }),
  quiet: flag("no messages; a verb that changes something prints nothing on success", { short: "-q" }),
  verbose: flag("say each step", { short: "-v" }),
  progress: choice(
    ["auto", "json", "none"],
    "how far long work is: a line at a terminal, one every ten seconds in a log; json: an object a line on stderr",
    { default: "auto" },
  ),
  trace: flag("show each command that it runs with its arguments, time and exit, and where an error came from"),
  color: choice(["auto", "always", "never"], "when to colour"),
  lockTimeout: duration("how long to wait for another operation on the same thing", { default: 0 }),
  store: text("DIR", "the folder that holds the layers and what is remembered", { complete: "folder" }),
  connect: text("URI", "the libvirt to talk to"),
};
