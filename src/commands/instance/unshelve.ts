import { DEFAULT_WAIT_MS } from "../../core/instances/wait.ts";
import { choice, duration } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";
import { eachInstance, instancesOnRequest, manyInstances } from "./targets.ts";

export default verb({
  description: `Brings shelved instances back: the same id, name, MAC addresses, addresses, definition and data, and the same answer to whether they start
with the host. One that ran when it was shelved is started. The image INSTANCE-shelved goes; snapshots that were taken before can be reverted to as before.

Where the name is another domain's by now, or a network of the instance is not there, it stays shelved and nothing is lost.`,
  arguments: { instances: manyInstances },
  options: {
    wait: choice(["address", "agent"], "return only when it has one"),
    timeout: duration("how long to wait for that", { default: DEFAULT_WAIT_MS }),
  },
  result: instancesOnRequest,
  changes: true,
  examples: [
    { line: "estrato unshelve web1", says: "bring web1 back" },
    { line: "estrato unshelve web1 --wait agent", says: "return when its agent answers" },
  ],
  exits: {
    5: "it is not shelved, or its name is taken",
    6: "a network of it is not there",
    9: "a file of it is not there",
  },
  async run(context) {
    const { options } = context;
    const { unshelveInstance } = await import("../../core/shelving/unshelve.ts");
    return eachInstance(context, context.args.instances, "unshelve", async (world, target) => {
      const plan = await unshelveInstance(world, target);
      if (plan !== null || options.wait === null) return plan;
      const { waitForInstance } = await import("../../core/instances/wait.ts");
      await waitForInstance(world, target, { kind: options.wait }, options.timeout);
      return null;
    });
  },
});
