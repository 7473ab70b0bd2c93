import { sshHost, sshHosts } from "../../core/instances/ssh-config.ts";
import { EstratoError } from "../../errors.ts";
import { optionalMany } from "../framework/arguments.ts";
import { flag } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";

export default verb({
  description: `Prints what ssh must know of instances, for ssh_config(5): their addresses, who to be there, and where their host keys are kept. With it
"ssh web1", scp, rsync, Ansible and editors reach them by their names.

Without names it is about all that run and whose address is known. --install writes it into ~/.ssh/estrato_config, in the place of what stood there,
and has ~/.ssh/config include that file: run it again when addresses change.`,
  arguments: {
    instances: optionalMany("INSTANCE", "instances, by name or id; all that run, if left out", {
      complete: "instance",
    }),
  },
  options: { install: flag("write it where ssh finds it, and print nothing") },
  changes: false,
  examples: [
    { line: "estrato instance ssh-config web1", says: "what ssh must know of web1" },
    { line: "estrato instance ssh-config --install && ssh web1", says: "have ssh, scp and editors know all that run" },
    { line: "estrato instance ssh-config > hosts.ssh && scp -F hosts.ssh notes web1:", says: "for one project alone" },
  ],
  exits: { 4: "there is no such instance, or no address is known of it", 6: "~/.ssh cannot be written" },
  async run({ args, options, world, streams, factory, globals }) {
    const core = await world();
    const blocks: string[] = [];
    if (args.instances.length === 0) blocks.push(...(await sshHosts(core)));
    for (const target of args.instances) blocks.push(await sshHost(core, target));
    const text = blocks.join("\n");
    if (!options.install) {
      streams.stdout.write(text);
      return null;
    }
    const home = factory.env.HOME;
    if (!home) {
      throw new EstratoError("host", "instance ssh-config: HOME is not set, so it is not known where ~/.ssh is", {
        hint: "Set it, or print the text and put it where it belongs.",
      });
    }
    const { installSshConfig, sshConfigPlan } = await import("./ssh-files.ts");
    if (globals.dryRun) return sshConfigPlan(home);
    await installSshConfig(home, text);
    factory.report.note(`${blocks.length} of them in ~/.ssh/estrato_config, which ~/.ssh/config includes.`);
    return null;
  },
});
