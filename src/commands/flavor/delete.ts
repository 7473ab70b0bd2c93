import { deleteFlavor } from "../../core/flavors.ts";
import { many } from "../framework/arguments.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";

export default verb({
  description: "Deletes flavors. Instances that were made in them keep their size.",
  arguments: { flavors: many("FLAVOR", "the flavor to delete", { complete: "flavor", ask: "Which flavor?" }) },
  changes: true,
  done: ({ target }) => `Deleted flavor ${target}.`,
  examples: [{ line: "estrato flavor delete db", says: "delete a flavor" }],
  exits: { 4: "there is no such flavor" },
  async run(context) {
    const store = await context.store();
    return eachTarget(context, context.args.flavors, { kind: "flavor", verb: "delete" }, (name) =>
      deleteFlavor(store, name, context.globals.dryRun),
    );
  },
});
