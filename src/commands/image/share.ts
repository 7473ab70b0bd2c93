import { shareImage } from "../../core/sharing/share.ts";
import { EstratoError } from "../../errors.ts";
import { many } from "../framework/arguments.ts";
import { flag, repeated, text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { imageColumns } from "./columns.ts";

export default verb({
  description:
    "Lets other users of this host use images from their own stores: the files can then be read, but not changed, by the users named " +
    "(through ACLs) or by everybody. Their disks stand on yours, so an image cannot be deleted or taken back while somebody uses it.\n\n" +
    "Who must trust whom: whoever lends lets the others read all that the image holds, also what was deleted in it and is not overwritten; they can change " +
    "nothing. Whoever uses it must trust the owner of the files, who can have his guest read any file of his (or give it other data) by writing another " +
    "name into a header, at any time. So only images of root's store are stood on where they lie; those of other users are copied, and checked on the copy, when " +
    "an instance or a volume is made of them. With --trust-owner there (see estrato-instance(1), estrato-volume(1)) they are not, and " +
    "what stands on another user's files without it `doctor` names, and `doctor --repair` pulls in.",
  arguments: { images: many("IMAGE", "the image to share", { complete: "image", ask: "Which image?" }) },
  options: {
    with: repeated(text("USER", "let this user use it; repeat it")),
    public: flag("let everybody use it"),
  },
  result: result.one(imageColumns, { onRequest: true }),
  changes: true,
  done: ({ target, options }) => `Shared ${target} with ${options.public ? "everybody" : options.with.join(", ")}.`,
  examples: [
    { line: "estrato image share golden --with bob", says: "let bob make instances from golden" },
    { line: "estrato image share golden --public", says: "let everybody" },
  ],
  exits: {
    4: "there is no such image or user",
    5: "an instance is shelved in it, or it is another user's",
    6: "others could not read it: it is encrypted, its guest had a TPM, or it lies below a folder that they may not pass through",
  },
  async run(context) {
    const wishes = { users: context.options.with, everybody: context.options.public };
    if (wishes.users.length === 0 && !wishes.everybody) {
      throw new EstratoError("usage", "image share: with whom is not said", { hint: "Say --with USER or --public." });
    }
    const world = await context.world();
    return eachTarget(context, context.args.images, { kind: "image", verb: "share" }, (target) =>
      shareImage(world, target, wishes),
    );
  },
});
