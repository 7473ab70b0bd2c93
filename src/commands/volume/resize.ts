import { parseSize } from "../../core/values.ts";
import { resizeVolume } from "../../core/volumes/resize.ts";
import { humanSize } from "../../units.ts";
import { one } from "../framework/arguments.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { volumeColumns } from "./columns.ts";
import { oneVolume, shown } from "./targets.ts";

export default verb({
  description:
    "Grows a volume; its guest sees the new size at once where it runs. The file system in it is the guest's to grow. Snapshots keep the size " +
    "that they have, and a revert brings it back.",
  arguments: { volume: oneVolume, size: one("SIZE", "the new size: 20G", { ask: "How large shall it be?" }) },
  result: result.one(volumeColumns, { onRequest: true }),
  changes: true,
  done: ({ args, row }) => `Resized ${args.volume} to ${humanSize(row?.size_bytes ?? 0)}.`,
  examples: [{ line: "estrato volume resize data1 20G", says: "grow data1 to 20 GiB" }],
  exits: {
    2: "a malformed size, or less than it has",
    9: "QEMU, libvirt and the records disagree; see estrato doctor",
  },
  async run({ args, world }) {
    const sizeBytes = parseSize(args.size);
    const core = await world();
    return shown(core, await resizeVolume(core, args.volume, sizeBytes));
  },
});
