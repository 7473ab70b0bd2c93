import { changeImage } from "../../core/images/set.ts";
import { EstratoError } from "../../errors.ts";
import { one } from "../framework/arguments.ts";
import { flag, keyValues, repeated, size, text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { imageColumns } from "./columns.ts";

export default verb({
  description:
    "Changes what an image is called and demands. What is not named stays as it is; the content never changes.",
  arguments: { image: one("IMAGE", "the image to change", { complete: "image", ask: "Which image?" }) },
  options: {
    name: text("NAME", "its new name"),
    property: keyValues("set this property; repeat it"),
    noProperty: repeated(text("KEY", "remove this property; repeat it")),
    minDisk: size("the smallest disk for an instance of it"),
    minRam: size("the least memory for an instance of it"),
    protect: flag("refuse to delete it"),
    unprotect: flag("let it be deleted again"),
  },
  result: result.one(imageColumns, { onRequest: true }),
  changes: true,
  done: ({ args, options }) => `Changed image ${options.name ?? args.image}.`,
  examples: [
    { line: "estrato image set golden --name golden-old --unprotect", says: "rename it, and let it be deleted" },
    { line: "estrato image set golden --property os=debian", says: "note what it holds" },
  ],
  exits: { 4: "there is no such image or property", 5: "the new name is taken, or it is another user's" },
  async run({ args, options, world }) {
    const { name, property, noProperty, minDisk, minRam, protect, unprotect } = options;
    if (protect && unprotect) {
      throw new EstratoError("usage", "image set: --protect and --unprotect exclude each other", { hint: "Give one." });
    }
    const changes = {
      name,
      properties: property,
      withoutProperties: noProperty,
      minDiskBytes: minDisk,
      minRamBytes: minRam,
      protect: protect ? true : unprotect ? false : null,
    };
    return changeImage(await world(), args.image, changes);
  },
});
