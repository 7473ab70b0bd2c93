import { one } from "../framework/arguments.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { settingColumns } from "./columns.ts";

export default verb({
  description: "Prints the value of a setting as it holds here and now; nothing where it has none.",
  arguments: { key: one("KEY", "the setting", { complete: "setting", ask: "Which setting?" }) },
  result: result.one(settingColumns, {
    draw: (settings) => settings.map(({ value }) => (value === null ? "" : `${value}\n`)).join(""),
  }),
  changes: false,
  withoutSettings: true,
  examples: [{ line: "estrato config get backup_target", says: "where backups go" }],
  exits: { 2: "there is no such setting" },
  async run({ args, factory }) {
    return (await factory.settings()).get(args.key);
  },
});
