import { verb } from "../framework/verb.ts";
import { eachStarted, instancesOnRequest, manyInstances, waiting, withAddress } from "./targets.ts";

export default verb({
  description: `Starts instances, and returns when they run. One that runs already is left alone; one that is "saved" goes on from the memory that libvirt saved of it.

An instance whose definition names other files than its own disks is not started: what stands on those files would be destroyed.`,
  arguments: { instances: manyInstances },
  options: waiting,
  result: instancesOnRequest,
  changes: true,
  done: async (one) => (one.changed ? `Started ${await withAddress(one)}.` : `${one.target} runs already.`),
  examples: [
    { line: "estrato instance start web1 web2", says: "start two instances" },
    { line: "estrato instance start web1 --wait agent", says: "return when its agent answers" },
  ],
  exits: { 5: "it is paused", 9: "its definition is not what was recorded" },
  async run(context) {
    const { startInstance } = await import("../../core/instances/start.ts");
    return eachStarted(context, context.args.instances, "start", context.options, startInstance);
  },
});
