import { resolve } from "node:path";
import { createImage, type ImageSource } from "../../core/images/create.ts";
import { type Expectation, parseSum, requireUrl } from "../../core/images/download-source.ts";
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
  readonly url: string | null;
  readonly checksum: string | null;
  readonly checksums: string | null;
  readonly keyring: string | null;
  readonly diskFormat: "qcow2" | "raw" | null;
  readonly fromSnapshot: string | null;
  readonly fromInstance: string | null;
  readonly fromVolume: string | null;
  readonly excludeDisk: readonly string[];
  readonly sysprep: boolean;
}

export default verb({
  description:
    "Makes an image and prints it. A file is checked before it is trusted, and copied: it may be removed afterwards. One that names " +
    "another file (a backing file, a data file) is refused. A raw disk is never guessed: say --disk-format raw.\n\n" +
    "What --url gives is downloaded (by curl, with the proxies and certificates of this host), compared with the sum that --checksum says, or that a list of " +
    "sums says (--checksums, as SHA256SUMS, SHA512SUMS or Fedora's CHECKSUM), and then taken as a file. With --keyring that list must be signed by a key in it (gpgv): " +
    "inside of it, or in a file beside it that ends in .gpg, .sign, .asc or .sig. A download that was cut off is gone on with by the same command, within 24 hours, " +
    "where the server still has the same file.\n\n" +
    "From a snapshot, an instance or a volume no data is moved, whatever the size. A running instance runs on; where its guest agent answers, its " +
    "file systems are quiesced for that moment.\n\n" +
    "With --sysprep the image is new layers on those of the snapshot, out of which virt-sysprep(1) has taken machine-id, host keys, logins, histories and " +
    "logs: what is made of it is a machine of its own, with or without cloud-init. The snapshot stays as it is.",
  arguments: { name: one("NAME", "the name of the new image", { ask: "Name of the new image" }) },
  options: {
    file: text("FILE", "make it from this file; - is standard input", { complete: "file" }),
    url: text("URL", "make it from what https://… (or http://…, with a sum) gives"),
    checksum: text("SUM", "sha256:… or sha512:…, which the download must have"),
    checksums: text("FILE|URL", "a list of sums that names the download", { complete: "file" }),
    keyring: text("FILE", "the list must be signed by a key of this keyring", { complete: "file" }),
    diskFormat: choice(["qcow2", "raw"], "what the file is; without it only a qcow2 file is taken"),
    fromSnapshot: text("SNAPSHOT", "make it from this snapshot", { complete: "snapshot" }),
    sysprep: flag("of --from-snapshot: take out what tells machines apart (virt-sysprep)"),
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
    {
      line: "estrato image create noble --url https://cloud-images.ubuntu.com/noble/current/noble-server-cloudimg-amd64.img --checksums https://cloud-images.ubuntu.com/noble/current/SHA256SUMS --keyring /usr/share/keyrings/ubuntu-cloudimage-keyring.gpg",
      says: "downloaded, and signed",
    },
    { line: "estrato image create golden --from-snapshot web1/before-upgrade", says: "from a snapshot" },
    {
      line: "estrato image create golden --from-snapshot web1/before-upgrade --sysprep",
      says: "the same, without what tells machines apart",
    },
    { line: "estrato image create golden --from-instance web1", says: "from an instance as it is now" },
  ],
  exits: {
    2: "a malformed name, size, URL or sum, plain http that nothing vouches for, or not exactly one of --file, --url, --from-snapshot, --from-instance and --from-volume",
    5: "the name is taken, the file changed while it was copied, or another command downloads from that URL",
    6: "the file is not what it claims, names another file, cannot be downloaded, is packed, there is not enough space, or no virt-sysprep",
    7: "nothing came from the server for too long",
    9: "the sum, or the signature of the list of sums, is wrong",
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
  const { file, url, diskFormat, fromSnapshot, fromInstance, fromVolume, excludeDisk } = options;
  const given = [file, url, fromSnapshot, fromInstance, fromVolume].filter((one) => one !== null);
  if (given.length !== 1) {
    throw new EstratoError(
      "usage",
      `image create: ${given.length === 0 ? "a source is missing" : "one source too many"}`,
      {
        hint: "Give exactly one of --file, --url, --from-snapshot, --from-instance and --from-volume.",
      },
    );
  }
  if (diskFormat !== null && file === null && url === null) throw misplaced("--disk-format", "--file");
  if (excludeDisk.length > 0 && fromInstance === null) throw misplaced("--exclude-disk", "--from-instance");
  const expected = expectationOf(options);
  if (options.sysprep && fromSnapshot === null) throw misplaced("--sysprep", "--from-snapshot");
  if (url !== null) return { kind: "url", url, expected, diskFormat };
  if (file !== null) return { kind: "file", file: file === "-" ? file : resolve(file), diskFormat };
  if (fromSnapshot !== null) return { kind: "snapshot", snapshot: fromSnapshot, sysprep: options.sysprep };
  if (fromVolume !== null) return { kind: "volume", volume: fromVolume };
  return { kind: "instance", instance: fromInstance ?? "", excludeDisks: excludeDisk };
}

function expectationOf({ url, checksum, checksums, keyring }: SourceOptions): Expectation {
  for (const [option, value] of Object.entries({ checksum, checksums, keyring }))
    if (value !== null && url === null) throw misplaced(`--${option}`, "--url");
  if (checksum !== null && checksums !== null)
    throw new EstratoError("usage", "image create: --checksum and --checksums", { hint: "Leave one of them out." });
  if (keyring !== null && checksums === null) throw misplaced("--keyring", "--checksums");
  if (checksum !== null) return { kind: "sum", sum: parseSum(checksum) };
  if (checksums === null) return { kind: "none" };
  const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(checksums);
  const where = isUrl ? requireUrl(checksums, "--checksums") : resolve(checksums);
  return { kind: "list", where, keyring: keyring === null ? null : resolve(keyring) };
}

function misplaced(option: string, needed: string): EstratoError {
  return new EstratoError("usage", `image create: ${option} without ${needed}`, { hint: `Leave ${option} out.` });
}
