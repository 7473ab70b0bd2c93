import { findFlavor } from "../../core/flavors.ts";
import { many } from "../framework/arguments.ts";
import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { flavorColumns } from "./columns.ts";

export default verb({
  description: "Shows flavors.",
  arguments: { flavors: many("FLAVOR", "the flavor to show", { complete: "flavor", ask: "Which flavor?" }) },
  result: result.one(flavorColumns),
  changes: false,
  examples: [{ line: "estrato flavor show small -f json", says: "one of them, as JSON" }],
  exits: { 4: "there is no such flavor" },
  async run(context) {
    const state = await (await context.store()).read();
    return eachTarget(context, context.args.flavors, { kind: "flavor", verb: "show" }, async (name) =>
      findFlavor(state, name),
    );
  },
});
