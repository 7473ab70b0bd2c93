import { verb } from "../framework/verb.ts";
import { eachStarted, instancesOnRequest, manyInstances, waiting, withAddress } from "./targets.ts";

export default verb({
  description: `Brings shelved instances back: the same id, name, MAC addresses, addresses, definition and data, and the same answer to whether they start
with the host. One that ran when it was shelved is started. The image INSTANCE-shelved goes; snapshots that were taken before can be reverted to as before.

Disks that --target put away elsewhere are read from there, all of them, and take their room in the store again.

Where the name is another domain's by now, or a network of the instance or the folder of its packed disks is not there, it stays shelved and nothing is lost.`,
  arguments: { instances: manyInstances },
  options: waiting,
  result: instancesOnRequest,
  changes: true,
  done: async (one) => `Unshelved ${await withAddress(one)}.`,
  examples: [
    { line: "estrato unshelve web1", says: "bring web1 back" },
    { line: "estrato unshelve web1 --wait agent", says: "return when its agent answers" },
  ],
  exits: {
    5: "it is not shelved, or its name is taken",
    6: "a network of it or the folder of its packed disks is not there, or there is no room",
    9: "a file of it is not there",
  },
  async run(context) {
    const { unshelveInstance } = await import("../../core/shelving/unshelve.ts");
    return eachStarted(context, context.args.instances, "unshelve", context.options, unshelveInstance);
  },
});
