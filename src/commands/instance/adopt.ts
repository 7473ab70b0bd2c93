import { adoptInstance } from "../../core/instances/release.ts";
import { flag } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";
import { eachInstance, instancesOnRequest, manyInstances } from "./targets.ts";

export default verb({
  description: `Takes guests that estrato did not make into its care: their disks become volumes, and stay where they are. The first verb that needs it,
such as "snapshot create", does the same by itself. "instance release" undoes it.`,
  arguments: { instances: manyInstances },
  options: {
    takeOver: flag("also one that belongs to another store, which is gone for good: after a yes"),
  },
  result: instancesOnRequest,
  changes: true,
  done: ({ target }) => `Adopted ${target}: its disks stay where they are.`,
  withoutStore: true,
  examples: [{ line: "estrato instance adopt legacy", says: "adopt a guest that virsh defined" }],
  exits: {
    5: "it is transient, libvirt holds snapshots or checkpoints of it, or it belongs to another store",
    6: "a disk is neither a file nor a block device",
    8: "it needs a yes",
  },
  async run(context) {
    const { takeOver } = context.options;
    return eachInstance(context, context.args.instances, "adopt", (world, target) =>
      adoptInstance(world, target, { takeOver }),
    );
  },
});
