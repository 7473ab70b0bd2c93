import { DEFAULT_STOP_MS } from "../../core/instances/stop.ts";
import { count, duration, flag, size, text } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";
import { eachInstance, instancesOnRequest, oneInstance } from "./targets.ts";

export default verb({
  description:
    "Gives an instance other vCPUs and memory: a flavor's, or figures. Its disks keep their size.\n\n" +
    "It must be off, or be restarted with --restart. Snapshots with memory resume only in the size that they were taken in: they are named, " +
    "and deleted after a yes, once it has started in its new size. Where it does not start, it has its old one again. Snapshots of disks stay.",
  arguments: { instance: oneInstance },
  options: {
    flavor: text("FLAVOR", "the vCPUs and memory of this flavor", { complete: "flavor" }),
    vcpus: count("vCPUs"),
    ram: size("memory"),
    restart: flag("shut it down if it runs, and start it again"),
    timeout: duration("how long it may take to shut down; then it is powered off", { default: DEFAULT_STOP_MS }),
  },
  result: instancesOnRequest,
  changes: true,
  done: ({ target }) => `Resized ${target}.`,
  examples: [
    { line: "estrato instance resize web1 --flavor large --restart", says: "a larger one, restarted" },
    { line: "estrato instance resize web1 --ram 2G", says: "more memory for one that is off" },
  ],
  exits: {
    5: "it runs and --restart is not given, or a snapshot with memory is protected",
    6: "more memory or vCPUs than this host can give a machine",
    8: "snapshots with memory would go, which needs a yes",
  },
  async run(context) {
    const { flavor, vcpus, ram: ramBytes, restart, timeout: timeoutMs } = context.options;
    const { resizeInstance } = await import("../../core/instances/resize.ts");
    return eachInstance(context, [context.args.instance], "resize", (world, target) =>
      resizeInstance(world, target, { flavor, vcpus, ramBytes, restart, timeoutMs }),
    );
  },
});
