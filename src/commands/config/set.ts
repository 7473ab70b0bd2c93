import { existsSync } from "node:fs";
import { one } from "../framework/arguments.ts";
import { verb } from "../framework/verb.ts";
import { scopeOf, scopeOptions } from "./scope.ts";

export default verb({
  description: "Checks a value and stores it: root's in the system's file, anyone else's in the user's own.",
  arguments: {
    key: one("KEY", "the setting", { complete: "setting", ask: "Which setting?" }),
    value: one("VALUE", "its new value", { complete: "setting-value", ask: "Its new value" }),
  },
  options: scopeOptions,
  changes: true,
  done: ({ args }) => `Set ${args.key} to ${args.value}.`,
  withoutSettings: true,
  examples: [{ line: "estrato config set backup_target /srv/backup", says: "where backups go" }],
  exits: { 2: "there is no such setting, or it cannot have that value" },
  async run({ args, options, factory, globals }) {
    const settings = await factory.settings();
    const scope = scopeOf(options);
    if (globals.dryRun) {
      await factory.checkSetting(args.key, args.value);
      const title = `Set ${args.key} to ${args.value}`;
      return { steps: [{ title, commands: [] }], notes: [], freesBytes: null };
    }
    await settings.set(args.key, args.value, scope);
    if (args.key === "backup_target" && !existsSync(args.value))
      factory.report.note(`${args.value}: there is no such folder yet; backups are refused until there is one.`);
    return null;
  },
});
