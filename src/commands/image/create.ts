import { resolve } from "node:path";
import { createImage, type ImageSource } from "../../core/images/create.ts";
import { EstratoError } from "../../errors.ts";
import { humanSize } from "../../units.ts";
import { one } from "../framework/arguments.ts";
import { thatIsThere } from "../framework/if-absent.ts";
import { choice, flag, keyValues, repeated, size, text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { imageColumns } from "./columns.ts";

interface SourceOptions {
  readonly file: string | null;
  readonly diskFormat: "qcow2" | "raw" | null;
  readonly fromSnapshot: string | null;
  readonly fromInstance: string | null;
  readonly fromVolume: string | null;
  readonly excludeDisk: readonly string[];
}

export default verb({
  description:
    "Makes an image and prints it. A file is checked before it is trusted, and copied: it may be removed afterwards. One that names " +
    "another file (a backing file, a data file) is refused. A raw disk is never guessed: say --disk-format raw.\n\n" +
    "From a snapshot, an instance or a volume no data is moved, whatever the size. A running instance runs on; where its guest agent answers, its " +
    "file systems are quiesced for that moment.",
  arguments: { name: one("NAME", "the name of the new image", { ask: "Name of the new image" }) },
  options: {
    file: text("FILE", "make it from this file; - is standard input", { complete: "file" }),
    diskFormat: choice(["qcow2", "raw"], "what the file is; without it only a qcow2 file is taken"),
    fromSnapshot: text("SNAPSHOT", "make it from this snapshot", { complete: "snapshot" }),
    fromInstance: text("INSTANCE", "make it from what this instance's disks hold now", { complete: "instance" }),
    fromVolume: text("VOLUME", "make it from what this volume holds now", { complete: "volume" }),
    excludeDisk: repeated(text("DEVICE", "leave this disk of the instance out; repeat it")),
    property: keyValues("a property of your own; repeat it"),
    minDisk: size("the smallest disk for an instance of it; as large as its own, if not said"),
    minRam: size("the least memory for an instance of it"),
    protect: flag("refuse to delete it until it is unprotected"),
  },
  result: result.one(imageColumns),
  changes: true,
  done: ({ row }) => `Made image ${row?.name} (${humanSize(row?.sizeBytes ?? 0)}).`,
  withoutStore: true,
  examples: [
    { line: "estrato image create debian12 --file debian-12.qcow2", says: "from a file" },
    {
      line: "ssh other estrato image save golden --file - | estrato image create golden --file -",
      says: "from a pipe",
    },
    { line: "estrato image create golden --from-snapshot web1/before-upgrade", says: "from a snapshot" },
    { line: "estrato image create golden --from-instance web1", says: "from an instance as it is now" },
  ],
  exits: {
    2: "a malformed name or size, or not exactly one of --file, --from-snapshot, --from-instance and --from-volume",
    5: "the name is taken, or the file changed while it was copied",
    6: "the file is not what it claims, names another file, or there is not enough space",
  },
  guide: async (guide) => (await import("./create-guide.ts")).guideImage(guide),
  existing: (context) => thatIsThere(context, "image", context.args.name),
  async run({ args, options, world, streams }) {
    const { property, minDisk, minRam, protect } = options;
    const wanted = { name: args.name, properties: property, minDiskBytes: minDisk, minRamBytes: minRam, protect };
    const source = sourceOf(options);
    const core = await world();
    if (source.kind !== "file" || source.file !== "-") return createImage(core, wanted, source);
    const { STANDARD_INPUT, withStandardInput } = await import("./standard-input.ts");
    return withStandardInput(core, streams, (file) =>
      createImage(core, wanted, { ...source, file, calledAs: STANDARD_INPUT }),
    );
  },
});

function sourceOf(options: SourceOptions): ImageSource {
  const { file, diskFormat, fromSnapshot, fromInstance, fromVolume, excludeDisk } = options;
  const given = [file, fromSnapshot, fromInstance, fromVolume].filter((one) => one !== null);
  if (given.length !== 1) {
    throw new EstratoError(
      "usage",
      `image create: ${given.length === 0 ? "a source is missing" : "one source too many"}`,
      {
        hint: "Give exactly one of --file, --from-snapshot, --from-instance and --from-volume.",
      },
    );
  }
  if (diskFormat !== null && file === null) throw misplaced("--disk-format", "--file");
  if (excludeDisk.length > 0 && fromInstance === null) throw misplaced("--exclude-disk", "--from-instance");
  if (file !== null) return { kind: "file", file: file === "-" ? file : resolve(file), diskFormat };
  if (fromSnapshot !== null) return { kind: "snapshot", snapshot: fromSnapshot };
  if (fromVolume !== null) return { kind: "volume", volume: fromVolume };
  return { kind: "instance", instance: fromInstance ?? "", excludeDisks: excludeDisk };
}

function misplaced(option: string, needed: string): EstratoError {
  return new EstratoError("usage", `image create: ${option} without ${needed}`, { hint: `Leave ${option} out.` });
}
