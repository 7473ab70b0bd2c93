import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { isTargetNamed, manyBackups, openedWith, passphraseFile, placesOf, target } from "./place.ts";

export default verb({
  description:
    "Deletes backups, anywhere in a chain: what an incremental one above still needs is merged into it first, which moves only the " +
    "difference. All others restore the same afterwards.",
  arguments: { backups: manyBackups },
  options: { target, passphraseFile },
  changes: true,
  done: ({ target }) => `Deleted backup ${target}.`,
  withoutStore: isTargetNamed,
  examples: [{ line: "estrato backup delete bak-0123456789abcdef0 -y", says: "without being asked" }],
  exits: {
    4: "there is no such backup",
    5: "it is protected, an instance that was booted from it still reads from it, or an operation is under way",
    8: "it needs a yes",
  },
  async run(context) {
    const core = await context.world();
    const { deleteBackup } = await import("../../core/backups/delete.ts");
    const targets = await placesOf(context.factory, core, context.options.target);
    return eachTarget(context, context.args.backups, { kind: "backup", verb: "delete" }, (word) =>
      deleteBackup(core, targets, word, openedWith(context.options.passphraseFile)),
    ) as never;
  },
});
