import type { VolumeSourceChoice } from "../../core/volumes/source.ts";
import { EstratoError } from "../../errors.ts";
import { humanSize } from "../../units.ts";
import { one } from "../framework/arguments.ts";
import { thatIsThere } from "../framework/if-absent.ts";
import { size, text } from "../framework/options.ts";
import { encryption, passphraseOf } from "../framework/passphrase.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { trustOwner } from "../instance/trust.ts";
import { volumeColumns } from "./columns.ts";
import { guideVolume } from "./create-guide.ts";
import { shown } from "./targets.ts";

export default verb({
  description:
    "Makes a volume that is attached to nothing, and prints it: an empty disk, or one that begins with what a snapshot or an image holds. " +
    "No data is copied, whatever the size, but of an image that another user (not root) shares: he could put something else into his files at any time. With " +
    "--trust-owner it stands on them where they lie.\n\n" +
    "A snapshot or an image of several disks needs --disk. With --size the volume is larger than what it begins with; never smaller.\n\n" +
    "With --encrypt an empty volume is encrypted (LUKS), and so are its snapshots, the images made from it and all that is made from those. libvirt keeps the " +
    "passphrase; it is read from the file once, and a newline at its end is no part of it. What is made from an encrypted source needs no --encrypt.",
  arguments: { name: one("NAME", "the name of the new volume", { ask: "What shall it be called?" }) },
  options: {
    size: size("how large it is: 10G; as large as what it is made from, if not said"),
    fromSnapshot: text("SNAPSHOT", "begin with this snapshot: an id, INSTANCE/NAME or VOLUME/NAME", {
      complete: "snapshot",
    }),
    fromImage: text("IMAGE", "begin with this image", { complete: "image" }),
    disk: text("DEVICE", "which disk of the snapshot or image, vdb"),
    ...encryption("encrypt it (an empty one)"),
    trustOwner,
  },
  result: result.one(volumeColumns),
  changes: true,
  done: ({ row }) => `Made volume ${row?.name} (${humanSize(row?.size_bytes ?? 0)}).`,
  withoutStore: true,
  examples: [
    { line: "estrato volume create data1 --size 10G", says: "an empty one" },
    { line: "estrato volume create data3 --size 10G --encrypt --passphrase-file data3.key", says: "an encrypted one" },
    { line: "estrato volume create data2 --from-snapshot data1/monday --size 20G", says: "from a snapshot, larger" },
  ],
  exits: {
    2: "a malformed name or size, one that is less than the source's, several disks and no --disk, or --encrypt without a passphrase",
    4: "there is no such snapshot or image",
    5: "the name is taken",
    6: "not enough space, or a passphrase file that cannot be read",
  },
  existing: (context) => thatIsThere(context, "volume", context.args.name),
  guide: guideVolume,
  async run({ args, options, world }) {
    const source = sourceOf(options);
    if (source === null && options.size === null) {
      throw new EstratoError("usage", "volume create: a size is missing", { hint: "Give one: --size 10G." });
    }
    const passphraseFile = passphraseOf("volume create", options);
    const { createVolume } = await import("../../core/volumes/create.ts");
    const core = await world();
    const wanted = { name: args.name, source, sizeBytes: options.size, passphraseFile, trustOwner: options.trustOwner };
    return shown(core, await createVolume(core, wanted));
  },
});

function sourceOf(options: {
  readonly fromSnapshot: string | null;
  readonly fromImage: string | null;
  readonly disk: string | null;
}): VolumeSourceChoice | null {
  const { fromSnapshot, fromImage, disk } = options;
  if (fromSnapshot !== null && fromImage !== null) {
    throw new EstratoError("usage", "volume create: --from-snapshot and --from-image: it is made from one thing", {
      hint: "Leave one of them out.",
    });
  }
  if (fromSnapshot !== null) return { kind: "snapshot", target: fromSnapshot, disk };
  if (fromImage !== null) return { kind: "image", target: fromImage, disk };
  if (disk === null) return null;
  throw new EstratoError("usage", "volume create: --disk without --from-snapshot or --from-image", {
    hint: "Leave --disk out.",
  });
}
