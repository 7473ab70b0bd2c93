import { DETACH_MS, detachVolume } from "../../core/volumes/detach.ts";
import { duration } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { oneInstance } from "../instance/targets.ts";
import { volumeColumns } from "./columns.ts";
import { oneVolume, shown } from "./targets.ts";

export default verb({
  description:
    "Takes a volume out of an instance, running or not, for good, and waits until the guest has let go of it. Unmount it in the guest first. " +
    "One that is attached to nothing is left alone.\n\n" +
    "A guest that does not answer keeps the disk, and nothing is recorded; run the command again then. Detached, a volume that its " +
    "instance was made with no longer goes when that is deleted.",
  arguments: { instance: oneInstance, volume: oneVolume },
  options: { timeout: duration("how long to wait for the guest", { default: DETACH_MS }) },
  result: result.one(volumeColumns, { onRequest: true }),
  changes: true,
  done: ({ args, changed }) =>
    changed ? `Detached ${args.volume} from ${args.instance}.` : `${args.volume} is attached to nothing.`,
  examples: [{ line: "estrato volume detach web1 data1", says: "detach it" }],
  exits: {
    5: "it is attached to another instance, that one runs from it, or that one has snapshots",
    7: "the guest did not let go of it in time",
    9: "QEMU, libvirt and the records disagree; see estrato doctor",
  },
  async run({ args, options, world }) {
    const core = await world();
    return shown(core, await detachVolume(core, args.instance, args.volume, options.timeout));
  },
});
