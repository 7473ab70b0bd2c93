import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { backupColumns } from "./columns.ts";
import { manyBackups, placesOf, target } from "./place.ts";

export default verb({
  description: "Lifts the protection of backups.",
  arguments: { backups: manyBackups },
  options: { target },
  result: result.one(backupColumns, { onRequest: true }),
  changes: true,
  examples: [{ line: "estrato backup unprotect before-upgrade", says: "let it go with the others" }],
  exits: { 4: "there is no such backup", 6: "the target is not there" },
  async run(context) {
    const core = await context.world();
    const { setProtected } = await import("../../core/backups/protect.ts");
    const targets = await placesOf(context.factory, core, context.options.target);
    return eachTarget(context, context.args.backups, { kind: "backup", verb: "unprotect" }, (word) =>
      setProtected(core, targets, word, false),
    );
  },
});
