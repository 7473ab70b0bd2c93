import { DEFAULT_STOP_MS } from "../../core/instances/stop.ts";
import { duration, flag } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";
import { eachInstance, instancesOnRequest, manyInstances } from "./targets.ts";

export default verb({
  description: `Stops instances. One that is off already is left alone.

The guest is asked to shut down, through its agent or its power button. One that has not gone off when the time is up is powered off, as OpenStack
does it, and a note says so. With --no-wait it is only asked.

Layers that waited for it to stop are merged or freed afterwards.`,
  arguments: { instances: manyInstances },
  options: {
    force: flag("power it off at once: what the guest has not written to its disks is lost"),
    timeout: duration("how long it may take to shut down", { default: DEFAULT_STOP_MS }),
    noWait: flag("return as soon as it has been asked; it is not powered off"),
  },
  result: instancesOnRequest,
  changes: true,
  done: ({ target, changed, options }) => {
    if (!changed) return `${target} is off already.`;
    return options.noWait ? `Asked ${target} to shut down.` : `Stopped ${target}.`;
  },
  examples: [
    { line: "estrato instance stop web1", says: "shut web1 down" },
    { line: "estrato instance stop web1 --timeout 5m", says: "give it five minutes" },
  ],
  exits: { 5: "it is paused; --force stops it" },
  async run(context) {
    const { force, timeout: timeoutMs, noWait } = context.options;
    const { stopInstance } = await import("../../core/instances/stop.ts");
    return eachInstance(context, context.args.instances, "stop", (world, target) =>
      stopInstance(world, target, { force, timeoutMs, wait: !noWait }),
    );
  },
});
