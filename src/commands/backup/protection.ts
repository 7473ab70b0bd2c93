/** `backup protect` and `backup unprotect`. */
import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import type { Verb } from "../framework/tree.ts";
import { verb } from "../framework/verb.ts";
import { backupColumns } from "./columns.ts";
import { isTargetNamed, manyBackups, placesOf, target } from "./place.ts";

function protection(name: "protect" | "unprotect", description: string, says: string): { readonly default: Verb } {
  return {
    default: verb({
      description,
      arguments: { backups: manyBackups },
      options: { target },
      result: result.one(backupColumns, { onRequest: true }),
      changes: true,
      done: ({ target }) => `${name === "protect" ? "Protected" : "No longer protected:"} ${target}.`,
      withoutStore: isTargetNamed,
      examples: [{ line: `estrato backup ${name} before-upgrade`, says }],
      exits: { 4: "there is no such backup", 6: "the target is not there" },
      async run(context) {
        const core = await context.world();
        const { setProtected } = await import("../../core/backups/protect.ts");
        const targets = await placesOf(context.factory, core, context.options.target);
        return eachTarget(context, context.args.backups, { kind: "backup", verb: name }, (word) =>
          setProtected(core, targets, word, name === "protect"),
        );
      },
    }),
  };
}

export const protect = protection(
  "protect",
  "Protects backups: rotation, prune and delete leave them alone, and do not count them.",
  "keep this one",
);

export const unprotect = protection("unprotect", "Lifts the protection of backups.", "let it go with the others");
