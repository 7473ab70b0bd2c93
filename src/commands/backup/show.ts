import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { backupColumns } from "./columns.ts";
import { isTargetNamed, manyBackups, placesOf, target } from "./place.ts";

export default verb({
  description: "Shows backups: what is in them, what they build on, and what they take.",
  arguments: { backups: manyBackups },
  options: { target },
  result: result.one(backupColumns),
  changes: false,
  withoutStore: isTargetNamed,
  examples: [{ line: "estrato backup show before-upgrade", says: "the newest of that name" }],
  exits: { 4: "there is no such backup", 6: "the target is not there" },
  async run(context) {
    const core = await context.world();
    const { findBackup } = await import("../../core/backups/find.ts");
    const { viewBackup } = await import("../../core/backups/list.ts");
    const targets = await placesOf(context.factory, core, context.options.target);
    return eachTarget(context, context.args.backups, { kind: "backup", verb: "show" }, async (word) =>
      viewBackup(await findBackup(core, targets, word)),
    );
  },
});
