import { openConsole } from "../../core/instances/access.ts";
import { EstratoError } from "../../errors.ts";
import { choice, text } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";
import { oneInstance } from "./targets.ts";

export default verb({
  description: `Connects this terminal with the guest's serial console. Leave it with Ctrl-], or with the character that --escape names.

With --type graphic it opens the guest's screen in virt-viewer; where that is not there, or no desktop is, it prints where the screen is served, and
the ssh tunnel that brings it to another machine.

What the guest writes to its serial console is also kept: see "instance log".`,
  arguments: { instance: oneInstance },
  options: {
    type: choice(["serial", "graphic"], "which console", { default: "serial" }),
    escape: text("CHARACTER", "what leaves the serial console, such as ^] (Ctrl-]) or ^a"),
  },
  changes: false,
  examples: [
    { line: "estrato instance console web1", says: "log in on web1's console" },
    { line: "estrato instance console web1 --type graphic", says: "see its screen" },
  ],
  exits: { 2: "this is no terminal", 5: "it is off, or has no screen" },
  async run({ args, options, world, factory, streams, globals }) {
    if (options.type === "graphic") {
      const { openScreen } = await import("./screen.ts");
      streams.stdout.write(await openScreen(await world(), args.instance, factory));
      return null;
    }
    return openConsole(await world(), args.instance, options.escape, (name) => {
      if (streams.stdin.isTTY !== true || streams.stdout.isTTY !== true) {
        throw new EstratoError("usage", "instance console: it connects a terminal, and this is none", {
          hint: `To read what the guest wrote: estrato instance log ${name}. To run a command: estrato instance ssh ${name}.`,
        });
      }
      const leave = keyName(options.escape ?? "^]");
      if (!globals.dryRun) factory.report.note(`Connected with ${name}. Leave it with ${leave}; Enter shows a prompt.`);
    });
  },
});

/** `^]` as people press it. */
function keyName(key: string): string {
  return key.startsWith("^") && key.length === 2 ? `Ctrl-${key.slice(1).toUpperCase()}` : key;
}
