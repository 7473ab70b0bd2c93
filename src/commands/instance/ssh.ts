import { resolve } from "node:path";
import { giveTerminal, sshCommand } from "../../core/instances/access.ts";
import { DEFAULT_SSH_WAIT_MS } from "../../core/instances/ssh-wait.ts";
import { rest } from "../framework/arguments.ts";
import { duration, flag, text } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";
import { oneInstance } from "./targets.ts";

export default verb({
  description: `Opens a shell on an instance, or runs a command there, by ssh.

What is known of its host key is kept for this instance alone: a clone, or a new instance at an address that another had, is no stranger. Exits as ssh
does: with the code of the command, or 255 where it cannot connect.

Who to be there, if --login does not say it, the instance's or its image's property os_admin_user does; else it is the usual user of the
distribution that the property os_distro names, or with whose name that of the image begins (debian, ubuntu, fedora, …); else root.

A guest that has just been started, or reverted, is not ready at once: its ssh server is waited for, at port 22 of its address, or (on the
network user) at the port of this host that leads there. Where your ssh gets there in another way (a jump host, another port), use --no-wait.`,
  arguments: {
    instance: oneInstance,
    command: rest("COMMAND", "what to run there, behind --; a shell where it is left out"),
  },
  options: {
    login: text("USER", "who to be there, if not whom its image lets in", { short: "-l" }),
    identity: text("FILE", "the private key to use", { short: "-i", complete: "file" }),
    timeout: duration("how long its ssh server may take to answer", { default: DEFAULT_SSH_WAIT_MS }),
    noWait: flag("connect at once, and fail where it does not answer yet"),
  },
  changes: false,
  examples: [
    { line: "estrato instance ssh web1", says: "open a shell" },
    { line: "estrato instance ssh -l debian web1 -- uptime", says: "run a command as debian" },
  ],
  exits: { 4: "no address is known of it", 5: "it is off", 255: "its ssh server does not answer, or ssh failed" },
  async run({ args, options, world, factory }) {
    const identity = options.identity === null ? null : resolve(options.identity);
    const waitMs = options.noWait ? null : options.timeout;
    const { login } = options;
    const core = await world();
    const command = await sshCommand(core, args.instance, { login, identity, command: args.command, waitMs });
    factory.status.clear(); // it said that we wait
    return giveTerminal(core, command, `Connect with ${args.instance}`);
  },
});
