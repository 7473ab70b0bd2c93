import { resolve } from "node:path";
import { DEFAULT_STOP_MS } from "../../core/instances/stop.ts";
import { EstratoError } from "../../errors.ts";
import { shellQuoted } from "../../ui/plan.ts";
import { duration, flag, text } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";
import { eachInstance, instancesOnRequest, manyInstances } from "./targets.ts";

export default verb({
  description: `Shelves instances: they shut down and leave libvirt. What is left is an image INSTANCE-shelved, and a record of all that "unshelve" needs
to bring the very same instance back. Their snapshots, volumes and addresses stay theirs. One that is shelved already is left alone.

The guest is asked to shut down, through its agent or its power button; a paused one runs on for that. One that has not gone off when the time is
up is powered off, and a note says so.

No data moves, so the disks take the room that they took. With --offload, compressed copies that stand on nothing take their place; what the old ones
held comes back where no snapshot or image needs it, and how much that was is printed. This reads and writes all data of the disks.
With --target the copies go to a folder of your choice, such as a mounted disk. It must be there again when the instance is unshelved, which brings all
data back into the store and removes the copies; what else was made of its image by then keeps them there, and a note says so.`,
  arguments: { instances: manyInstances },
  options: {
    offload: flag("pack the disks too, so that disk space comes back; asks first"),
    target: text("DIR", "with --offload: the folder that the packed disks go to", { complete: "folder" }),
    timeout: duration("how long it may take to shut down", { default: DEFAULT_STOP_MS }),
  },
  result: instancesOnRequest,
  changes: true,
  done: ({ target, changed }) =>
    changed
      ? `Shelved ${target}. To bring it back: estrato unshelve ${shellQuoted(target)}.`
      : `${target} is shelved already.`,
  withoutStore: true,
  examples: [
    { line: "estrato shelve web1", says: "put web1 away" },
    { line: "estrato shelve web1 --offload --yes", says: "the same, and pack its disks, asking nothing" },
    { line: "estrato shelve web1 --offload --target /mnt/archive", says: "put its disks on another file system" },
    { line: "estrato unshelve web1", says: "bring it back" },
  ],
  exits: {
    2: "--target without --offload",
    4: "there is no such folder",
    5: "libvirt holds a saved state, snapshots or checkpoints of it, or another image is called INSTANCE-shelved",
    6: "there is no room for the packed copies",
  },
  async run(context) {
    const { offload, target: folder, timeout: timeoutMs } = context.options;
    if (folder !== null && !offload) {
      throw new EstratoError("usage", "--target: only with --offload", { hint: "Say --offload too, or leave it out." });
    }
    const { shelveInstance } = await import("../../core/shelving/shelve.ts");
    return eachInstance(context, context.args.instances, "shelve", (world, target) =>
      shelveInstance(world, target, { offload, folder: folder === null ? null : resolve(folder), timeoutMs }),
    );
  },
});
