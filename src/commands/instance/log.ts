import { consoleLogPath } from "../../core/instances/access.ts";
import { openOutside } from "../../outside-file.ts";
import { printable } from "../../ui/text.ts";
import { count } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";
import { oneInstance } from "./targets.ts";

export default verb({
  description: `Prints what the guest has written to its serial console, since it was made. At a terminal, control characters are made harmless.`,
  arguments: { instance: oneInstance },
  options: { lines: count("only the last that many lines") },
  changes: false,
  examples: [{ line: "estrato instance log web1 --lines 20", says: "print the last 20 lines" }],
  exits: { 4: "no console log is kept of it" },
  async run({ args, options, world, streams, factory }) {
    const path = await consoleLogPath(await world(), args.instance);
    const clean = factory.terminal.stdout ? printable : (line: string) => line;
    const write = (line: string) => streams.stdout.write(`${clean(line)}\n`);
    const last: string[] = [];
    for await (const line of linesOf(path)) {
      if (options.lines === null) write(line);
      else if (last.push(line) > options.lines) last.shift();
    }
    for (const line of last) write(line);
  },
});

/** The lines of a console: it ends them with a carriage return and a newline. */
async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = "";
  const file = await openOutside(path);
  for await (const piece of file.createReadStream({ encoding: "utf8" })) {
    const lines = `${rest}${piece as string}`.split(/\r*\n/);
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}
