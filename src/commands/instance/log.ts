import { StringDecoder } from "node:string_decoder";
import { consoleLogPath } from "../../core/instances/access.ts";
import { openOutside } from "../../outside-file.ts";
import { writeOut } from "../../ui/streams.ts";
import { printable } from "../../ui/text.ts";
import { count, flag } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";
import { oneInstance } from "./targets.ts";

export default verb({
  description: `Prints what the guest has written to its serial console, since it was made. At a terminal, control characters are made harmless.`,
  arguments: { instance: oneInstance },
  options: {
    lines: count("only the last that many lines"),
    follow: flag("go on with what comes, until Ctrl-C"),
  },
  changes: false,
  examples: [
    { line: "estrato instance log web1 --lines 20", says: "print the last 20 lines" },
    { line: "estrato instance log web1 --lines 1 --follow", says: "watch it boot" },
  ],
  exits: { 4: "no console log is kept of it" },
  async run({ args, options, world, streams, factory }) {
    const core = await world();
    const path = await consoleLogPath(core, args.instance);
    const clean = factory.terminal.stdout ? printable : (line: string) => line;
    const write = (line: string) => writeOut(streams.stdout, `${clean(line)}\n`);
    const log = consoleLog(path);
    const last: string[] = [];
    let isRead = true;
    const take = async (line: string) => {
      if (options.lines === null) isRead &&= await write(line);
      else if (last.push(line) > options.lines) last.shift();
    };
    for await (const line of log.lines()) await take(line);
    if (!options.follow && log.unended() !== "") await take(log.unended());
    for (const line of last) isRead &&= await write(line);
    // Who reads no more (head, grep -m1) has seen what was waited for.
    while (options.follow && isRead && !factory.signal.aborted) {
      try {
        await core.clock.sleep(FOLLOWED_MS, factory.signal);
      } catch {
        return; // Ctrl-C: there is nothing to undo
      }
      for await (const line of log.lines()) isRead &&= await write(line);
    }
  },
});

const FOLLOWED_MS = 500;

/** The lines of a console, which ends them with a carriage return and a newline: each time those that have come. */
function consoleLog(path: string) {
  let [at, rest] = [0, ""];
  const decoder = new StringDecoder("utf8");
  return {
    /** What stands behind the last line that has ended. */
    unended: () => rest,
    async *lines(): AsyncGenerator<string> {
      const file = await openOutside(path);
      // libvirt begins a new one when it has grown large.
      if ((await file.stat()).size < at) [at, rest] = [0, ""];
      for await (const piece of file.createReadStream({ start: at })) {
        at += (piece as Buffer).length;
        const lines = `${rest}${decoder.write(piece as Buffer)}`.split(/\r*\n/);
        rest = lines.pop() ?? "";
        yield* lines;
      }
    },
  };
}
