import { viewImage, viewShared } from "../../core/images/view.ts";
import { findAnyImage } from "../../core/sharing/find.ts";
import { many } from "../framework/arguments.ts";
import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { imageColumns } from "./columns.ts";

export default verb({
  description: "Shows images.",
  arguments: { images: many("IMAGE", "the image to show", { complete: "image", ask: "Which image?" }) },
  result: result.one(imageColumns),
  changes: false,
  examples: [{ line: "estrato image show golden -f json", says: "one of them, as JSON" }],
  exits: { 4: "there is no such image" },
  async run(context) {
    const world = await context.world();
    const state = await world.store.read();
    return eachTarget(context, context.args.images, { kind: "image", verb: "show" }, async (target) => {
      const { own, shared } = await findAnyImage(world, state, target);
      return own === null ? viewShared(shared) : viewImage(state, own);
    });
  },
});
