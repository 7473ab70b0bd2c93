import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { settingColumns } from "./columns.ts";

export default verb({
  description: "Lists all settings with their values, and where each comes from.",
  result: result.list(settingColumns),
  changes: false,
  withoutSettings: true,
  examples: [{ line: "estrato config list", says: "all of them" }],
  async run({ factory }) {
    return (await factory.settings()).list();
  },
});
