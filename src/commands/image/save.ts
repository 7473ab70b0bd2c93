import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { type SaveTarget, saveImage } from "../../core/images/save.ts";
import { EstratoError } from "../../errors.ts";
import type { Streams } from "../../ui/streams.ts";
import { one } from "../framework/arguments.ts";
import { choice, flag, text } from "../framework/options.ts";
import { encryption, passphraseOf } from "../framework/passphrase.ts";
import { verb } from "../framework/verb.ts";

export default verb({
  description:
    "Copies an image into a file that stands on nothing: it can be carried elsewhere, and made an image again. The file gets its name " +
    "only when it is whole, and its mode is 0600.\n\n" +
    "With --encrypt the file is a LUKS qcow2, which opens with the passphrase in --passphrase-file, whatever the image was encrypted with. An encrypted " +
    "image is not saved without.",
  arguments: { image: one("IMAGE", "the image to copy", { complete: "image", ask: "Which image?" }) },
  options: {
    file: text("FILE", "the file to write; - is standard output", { required: true, complete: "file" }),
    diskFormat: choice(["qcow2", "raw"], "what to write", { default: "qcow2" }),
    compress: flag("compress it (qcow2); takes longer"),
    disk: text("DEVICE", "which disk, where the image has several"),
    ...encryption("encrypt it (qcow2)"),
    force: flag("replace the file where there is one"),
  },
  changes: true,
  done: ({ args, options }) => (options.file === "-" ? null : `Saved ${args.image} to ${options.file}.`),
  examples: [
    { line: "estrato image save golden --file golden.qcow2", says: "a copy to carry elsewhere" },
    {
      line: "estrato image save golden --file - | ssh other 'cat > golden.qcow2'",
      says: "straight to another machine",
    },
  ],
  exits: {
    4: "there is no such image, disk or folder",
    5: "there is a file of that name",
    6: "not enough space, or an encrypted image without --encrypt",
  },
  async run({ args, options, world, streams, globals }) {
    const { file, disk, diskFormat: format, compress, force } = options;
    const passphraseFile = passphraseOf("image save", options);
    const to = file === "-" ? standardOutput(streams, globals.dryRun) : fileTarget(file, force);
    return saveImage(await world(), { image: args.image, disk, format, compress, passphraseFile, to });
  },
});

function fileTarget(file: string, replace: boolean): SaveTarget {
  return { kind: "file", path: file.endsWith("/") ? `${resolve(file)}/` : resolve(file), replace };
}

function standardOutput({ stdout }: Streams, dryRun: boolean): SaveTarget {
  if (stdout.isTTY && !dryRun) {
    throw new EstratoError("usage", "--file -: standard output is a terminal", {
      hint: "Redirect it, or name a file.",
    });
  }
  return { kind: "reader", read: (path) => readOut(path, stdout) };
}

async function readOut(path: string, stdout: Streams["stdout"]): Promise<void> {
  try {
    await pipeline(createReadStream(path), stdout, { end: false });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EPIPE" || code === "ERR_STREAM_PREMATURE_CLOSE") return; // a closed pipe is no error
    throw error;
  }
}
