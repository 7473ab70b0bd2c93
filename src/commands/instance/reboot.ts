import { flag } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";
import { eachInstance, instancesOnRequest, manyInstances } from "./targets.ts";

export default verb({
  description: `Reboots instances: the guest is asked to, through its agent or its power button.

With --hard it is reset, as by its button, and one that is off is started.`,
  arguments: { instances: manyInstances },
  options: { hard: flag("reset it at once: what the guest has not written to its disks is lost") },
  result: instancesOnRequest,
  changes: true,
  done: ({ target }) => `Rebooted ${target}.`,
  examples: [{ line: "estrato instance reboot web1", says: "reboot web1" }],
  exits: { 5: "it is off or paused" },
  async run(context) {
    const { hard } = context.options;
    const { rebootInstance } = await import("../../core/instances/stop.ts");
    return eachInstance(context, context.args.instances, "reboot", (world, target) =>
      rebootInstance(world, target, { hard }),
    );
  },
});
