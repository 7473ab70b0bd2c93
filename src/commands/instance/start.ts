import { DEFAULT_WAIT_MS } from "../../core/instances/wait.ts";
import { choice, duration } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";
import { eachInstance, instancesOnRequest, manyInstances } from "./targets.ts";

export default verb({
  description: `Starts instances, and returns when they run. One that runs already is left alone.

An instance whose definition names other files than its own disks is not started: what stands on those files would be destroyed.`,
  arguments: { instances: manyInstances },
  options: {
    wait: choice(["address", "agent"], "return only when it has one"),
    timeout: duration("how long to wait for that", { default: DEFAULT_WAIT_MS }),
  },
  result: instancesOnRequest,
  changes: true,
  examples: [
    { line: "estrato instance start web1 web2", says: "start two instances" },
    { line: "estrato instance start web1 --wait agent", says: "return when its agent answers" },
  ],
  exits: { 5: "it is paused", 9: "its definition is not what was recorded" },
  async run(context) {
    const { options } = context;
    const { startInstance } = await import("../../core/instances/start.ts");
    return eachInstance(context, context.args.instances, "start", async (world, target) => {
      const plan = await startInstance(world, target);
      if (plan !== null || options.wait === null) return plan;
      const { waitForInstance } = await import("../../core/instances/wait.ts");
      await waitForInstance(world, target, { kind: options.wait }, options.timeout);
      return null;
    });
  },
});
