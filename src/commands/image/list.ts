import { listImages } from "../../core/images/view.ts";
import { choice, text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { imageColumns } from "./columns.ts";

export default verb({
  description:
    "Lists images, your own and those that others share with you, the oldest first. Who has no store yet sees what is shared; where " +
    "nothing is, or a store was named, one that is missing is an error.",
  options: {
    owner: text("self|all|NAME", "whose: your own, everybody's, or this user's", {
      default: "all",
      complete: "owner",
    }),
    type: choice(["base", "snapshot", "shelved", "backup"], "only images of this type"),
  },
  result: result.list(imageColumns, {
    empty: "There is no image. To make one: estrato image create NAME --file FILE.",
  }),
  changes: false,
  withoutStore: ({ owner }) => owner !== "self",
  examples: [
    { line: "estrato image list", says: "all of them" },
    { line: "estrato image list --owner alice", says: "what alice shares with you" },
    { line: "estrato image list --type snapshot -f value -c id", says: "ids for a script" },
  ],
  async run({ options, store, world, factory, globals }) {
    const owner = options.owner === "self" ? factory.user : options.owner;
    const opened = await store();
    const isThere = await opened.isThere();
    if (!isThere && (globals.store || factory.env.ESTRATO_HOME)) await factory.storeIsMissing(opened);
    const state = await opened.read();
    const selection = { owner: owner === "all" ? null : owner, type: options.type };
    if (options.owner === "self") return listImages(state, selection);
    const { sharedImages } = await import("../../core/sharing/find.ts");
    const shared = await sharedImages(await world());
    if (!isThere && shared.length === 0) await factory.storeIsMissing(opened);
    else if (!isThere)
      factory.report.note(`there is no store at ${opened.paths.home}: only what others share is listed`);
    return listImages(state, selection, shared);
  },
});
