import { one } from "../framework/arguments.ts";
import { verb } from "../framework/verb.ts";
import { scopeOf, scopeOptions } from "./scope.ts";

export default verb({
  description: "Forgets a setting in that file. What the other file or the default says holds then.",
  arguments: { key: one("KEY", "the setting", { complete: "setting", ask: "Which setting?" }) },
  options: scopeOptions,
  changes: true,
  done: ({ args }) => `Forgot ${args.key}.`,
  withoutSettings: true,
  examples: [{ line: "estrato config unset backup_target", says: "no usual place for backups" }],
  exits: { 2: "there is no such setting" },
  async run({ args, options, factory, globals }) {
    const settings = await factory.settings();
    const scope = scopeOf(options);
    if (globals.dryRun) {
      settings.requireKnown(args.key, scope);
      return { steps: [{ title: `Forget ${args.key}`, commands: [] }], notes: [], freesBytes: null };
    }
    await settings.unset(args.key, scope);
    return null;
  },
});
