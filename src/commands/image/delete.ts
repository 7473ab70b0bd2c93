import { deleteImage } from "../../core/images/delete.ts";
import { many } from "../framework/arguments.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";

export default verb({
  description:
    "Deletes images. Instances, snapshots and other images that stand on them don't change, and a note names them; the data goes when " +
    "the last of them does. A shared image that another user still uses is not deleted.",
  arguments: { images: many("IMAGE", "the image to delete", { complete: "image", ask: "Which image?" }) },
  changes: true,
  done: ({ target }) => `Deleted image ${target}.`,
  examples: [
    { line: "estrato image delete golden", says: "delete an image" },
    { line: "estrato image delete golden --dry-run", says: "what that would free" },
  ],
  exits: {
    4: "there is no such image",
    5: "it is protected, an instance is shelved in it, another user stands on it, or it is another user's",
  },
  async run(context) {
    const world = await context.world();
    return eachTarget(context, context.args.images, { kind: "image", verb: "delete" }, (target) =>
      deleteImage(world, target),
    );
  },
});
