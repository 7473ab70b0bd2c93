import { openConsole } from "../../core/instances/access.ts";
import { text } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";
import { oneInstance } from "./targets.ts";

export default verb({
  description: `Connects this terminal with the guest's serial console. Leave it with Ctrl-], or with the character that --escape names.

What the guest writes there is also kept: see "instance log".`,
  arguments: { instance: oneInstance },
  options: { escape: text("CHARACTER", "what leaves the console, such as ^] (Ctrl-]) or ^a") },
  changes: false,
  examples: [{ line: "estrato instance console web1", says: "log in on web1's console" }],
  exits: { 5: "it is off" },
  async run({ args, options, world }) {
    await openConsole(await world(), args.instance, options.escape);
  },
});
