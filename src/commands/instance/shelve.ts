import { DEFAULT_STOP_MS } from "../../core/instances/stop.ts";
import { duration, flag } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";
import { eachInstance, instancesOnRequest, manyInstances } from "./targets.ts";

export default verb({
  description: `Shelves instances: they shut down and leave libvirt. What is left is an image INSTANCE-shelved, and a record of all that "unshelve" needs
to bring the very same instance back. Their snapshots, volumes and addresses stay theirs. One that is shelved already is left alone.

The guest is asked to shut down, through its agent or its power button; a paused one runs on for that. One that has not gone off when the time is
up is powered off, and a note says so.

No data moves, so the disks take the room that they took. With --offload, compressed copies that stand on nothing take their place; what the old ones
held comes back where no snapshot or image needs it, and how much that was is printed. This reads and writes all data of the disks.`,
  arguments: { instances: manyInstances },
  options: {
    offload: flag("pack the disks too, so that disk space comes back; asks first"),
    timeout: duration("how long it may take to shut down", { default: DEFAULT_STOP_MS }),
  },
  result: instancesOnRequest,
  changes: true,
  examples: [
    { line: "estrato shelve web1", says: "put web1 away" },
    { line: "estrato shelve web1 --offload --yes", says: "the same, and pack its disks, asking nothing" },
    { line: "estrato unshelve web1", says: "bring it back" },
  ],
  exits: {
    5: "libvirt holds a saved state, snapshots or checkpoints of it, or another image is called INSTANCE-shelved",
    6: "there is no room for the packed copies",
  },
  async run(context) {
    const { offload, timeout: timeoutMs } = context.options;
    const { shelveInstance } = await import("../../core/shelving/shelve.ts");
    return eachInstance(context, context.args.instances, "shelve", (world, target) =>
      shelveInstance(world, target, { offload, timeoutMs }),
    );
  },
});
