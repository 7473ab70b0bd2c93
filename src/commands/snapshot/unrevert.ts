import { unrevertSnapshot } from "../../core/snapshots/revert.ts";
import { one } from "../framework/arguments.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { revertKeepMs } from "./keep.ts";
import { revertedColumns, revertedText } from "./revert.ts";

export default verb({
  description: "Undoes the last revert of an instance. Once more, and the revert is back: it undoes itself too.",
  arguments: { instance: one("INSTANCE", "the instance", { complete: "instance", ask: "Which instance?" }) },
  result: result.one(revertedColumns),
  changes: true,
  done: ({ row }) => revertedText(row),
  examples: [{ line: "estrato snapshot unrevert web1", says: "back to what was before the revert" }],
  exits: { 5: "there was no revert, or what it kept has expired" },
  async run({ args, factory, world }) {
    return unrevertSnapshot(await world(), args.instance, { discard: false, keepMs: await revertKeepMs(factory) });
  },
});
