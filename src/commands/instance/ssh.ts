import { resolve } from "node:path";
import { openSsh } from "../../core/instances/access.ts";
import { rest } from "../framework/arguments.ts";
import { text } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";
import { oneInstance } from "./targets.ts";

export default verb({
  description: `Opens a shell on an instance, or runs a command there, by ssh.

What is known of its host key is kept for this instance alone: a clone, or a new instance at an address that another had, is no stranger. Exits as ssh
does: with the code of the command, or 255 where it cannot connect.`,
  arguments: {
    instance: oneInstance,
    command: rest("COMMAND", "what to run there, behind --; a shell where it is left out"),
  },
  options: {
    login: text("USER", "who to be there", { short: "-l", default: "root" }),
    identity: text("FILE", "the private key to use", { short: "-i", complete: "file" }),
  },
  changes: false,
  examples: [
    { line: "estrato instance ssh web1", says: "open a shell" },
    { line: "estrato instance ssh -l debian web1 -- uptime", says: "run a command as debian" },
  ],
  exits: { 4: "no address is known of it", 5: "it is off" },
  async run({ args, options, world }) {
    const identity = options.identity === null ? null : resolve(options.identity);
    await openSsh(await world(), args.instance, { login: options.login, identity, command: args.command });
  },
});
