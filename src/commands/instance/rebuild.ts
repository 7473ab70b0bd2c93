import type { Rebuilt } from "../../core/instances/rebuild.ts";
import { text as column } from "../../ui/output/columns.ts";
import { shellQuoted } from "../../ui/plan.ts";
import { text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { eachSideBySide } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { revertKeepMs } from "../snapshot/keep.ts";
import { manyInstances } from "./targets.ts";
import { trustOwner } from "./trust.ts";

export const rebuiltColumns = [
  column<Rebuilt>("instance", (one) => one.instance),
  column<Rebuilt>("image", (one) => one.image),
  column<Rebuilt>("kept", (one) => one.kept.name),
  column<Rebuilt>("kept_id", (one) => one.kept.id, { listed: false }),
];

export default verb({
  description: `Gives instances new disks on the image that they were made from, or on another: as new, in milliseconds, whatever the size. One that runs is
powered off and started again; what its memory holds is lost.

UUID, MAC, address, host name, key, flavor, snapshots and the volumes that were attached stay as they are. cloud-init runs again, as at the first boot:
its seed gets a new instance-id, and ssh trusts the host key that it makes. NVRAM and TPM become what the image brings; a first disk is never smaller than it was.

The image may have been deleted meanwhile: an instance keeps the layers that it was made from. One that was made from a snapshot, a backup or a volume, or
that was adopted, has none: name an image.

Several are rebuilt side by side, as many as the host has cores. --filter chooses them.

What the disks held is kept as an automatic snapshot (for 24 hours, or as \`config set revert_keep\` says): \`snapshot unrevert\` brings it back.`,
  arguments: { instances: manyInstances },
  options: {
    image: text("IMAGE", "rebuild it on this image", { complete: "image" }),
    trustOwner,
  },
  result: result.one(rebuiltColumns),
  changes: true,
  chooses: "instance",
  done: ({ target, row }) => {
    const name = row?.instance ?? target;
    return `Rebuilt ${name} on ${row?.image}. To take that back: estrato snapshot unrevert ${shellQuoted(name)}.`;
  },
  examples: [
    { line: "estrato instance rebuild web1", says: "as new, from the image that it was made from" },
    { line: "estrato instance rebuild web1 --image debian13 -y", says: "on another image, asking nothing" },
    { line: "estrato snapshot unrevert web1", says: "and take that back" },
    { line: "estrato instance rebuild --filter properties.class=asir1 -y", says: "a whole class" },
  ],
  exits: {
    2: "instances are named, and --filter chooses, too",
    4: "an instance or the image is not there, or no instance fits --filter",
    5: "it was made from no image and none is named, it boots from a volume, its firmware, size or number of disks does not fit the image, its memory is saved, or an operation is under way",
    8: "it needs a yes",
  },
  async run(context) {
    const { args, options, factory } = context;
    const [{ rebuildInstance }, { confirmRebuild }] = await Promise.all([
      import("../../core/instances/rebuild.ts"),
      import("../../core/instances/rebuild-question.ts"),
    ]);
    const world = await context.world();
    const wish = { ...options, keepMs: await revertKeepMs(factory) };
    if (!(await confirmRebuild(world, args.instances, wish))) return null;
    const words = { kind: "instance", verb: "rebuild", done: "rebuilt" };
    return eachSideBySide(context, args.instances, words, (target, own) => rebuildInstance(own, target, wish));
  },
});
