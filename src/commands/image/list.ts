import { listImages } from "../../core/images/view.ts";
import { choice, text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { imageColumns } from "./columns.ts";

export default verb({
  description: "Lists images, your own and those that others share with you, the oldest first.",
  options: {
    owner: text("self|all|NAME", "whose: your own, everybody's, or this user's", {
      default: "all",
      complete: ["self", "all"],
    }),
    type: choice(["base", "snapshot", "shelved", "backup"], "only images of this type"),
  },
  result: result.list(imageColumns),
  changes: false,
  examples: [
    { line: "estrato image list", says: "all of them" },
    { line: "estrato image list --owner alice", says: "what alice shares with you" },
    { line: "estrato image list --type snapshot -f value -c id", says: "ids for a script" },
  ],
  async run({ options, store, world, factory }) {
    const owner = options.owner === "self" ? factory.user : options.owner;
    const state = await (await store()).read();
    const selection = { owner: owner === "all" ? null : owner, type: options.type };
    if (options.owner === "self") return listImages(state, selection);
    const { sharedImages } = await import("../../core/sharing/find.ts");
    return listImages(state, selection, await sharedImages(await world()));
  },
});
