import { unshareImage } from "../../core/sharing/share.ts";
import { many } from "../framework/arguments.ts";
import { repeated, text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { imageColumns } from "./columns.ts";

export default verb({
  description:
    "Takes shared images back: from the users named, or from all. One that somebody still uses stays shared, and who that is, is said.",
  arguments: { images: many("IMAGE", "the image to take back", { complete: "image", ask: "Which image?" }) },
  options: { with: repeated(text("USER", "only from this user; repeat it")) },
  result: result.one(imageColumns, { onRequest: true }),
  changes: true,
  done: ({ target }) => `Took ${target} back.`,
  examples: [
    { line: "estrato image unshare golden", says: "make golden private again" },
    { line: "estrato image unshare golden --with bob", says: "take it back from bob alone" },
  ],
  exits: {
    4: "there is no such image, or it is not shared with that user",
    5: "somebody still uses it, or it is another user's",
  },
  async run(context) {
    const world = await context.world();
    return eachTarget(context, context.args.images, { kind: "image", verb: "unshare" }, (target) =>
      unshareImage(world, target, context.options.with),
    );
  },
});
