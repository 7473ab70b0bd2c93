import { flag } from "../framework/options.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { manyInstances } from "./targets.ts";

export default verb({
  description: `Deletes instances, running or not, with their snapshots and the volumes that their creation made. Volumes that were attached later are
detached. Images, backups and snapshots of volumes stay, whatever they stand on. Schedules of the instance go, with their lines in the crontab.

Disks that were there before estrato adopted the guest are never deleted: they hold what the guest last wrote, and get their owner and mode back.

An instance whose domain libvirt has lost is forgotten the same way.`,
  arguments: { instances: manyInstances },
  options: { keepVolumes: flag("keep all its volumes, detached") },
  changes: true,
  done: ({ target }) => `Deleted ${target}.`,
  examples: [
    { line: "estrato instance delete web1", says: "delete web1, after a yes" },
    { line: "estrato instance delete --yes web-1 web-2", says: "delete two, asking nothing" },
    { line: "estrato instance delete --dry-run web1", says: "show what would be done and freed" },
  ],
  exits: {
    5: "one of its snapshots is protected, a schedule of it is at work, or libvirt holds a saved state, snapshots or checkpoints of it",
  },
  async run(context) {
    const { keepVolumes } = context.options;
    const { deleteInstance } = await import("../../core/instances/delete.ts");
    const world = await context.world();
    return eachTarget(context, context.args.instances, { kind: "instance", verb: "delete" }, (target) =>
      deleteInstance(world, target, { keepVolumes }),
    );
  },
});
