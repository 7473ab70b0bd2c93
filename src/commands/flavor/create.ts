import { createFlavor } from "../../core/flavors.ts";
import { one } from "../framework/arguments.ts";
import { thatIsThere } from "../framework/if-absent.ts";
import { count, size } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { flavorColumns } from "./columns.ts";

export default verb({
  description: "Makes a flavor and prints it.",
  arguments: { name: one("NAME", "the name of the new flavor", { ask: "Name of the new flavor" }) },
  options: {
    vcpus: count("virtual CPUs", { default: 1 }),
    ram: size("memory", { required: true }),
    disk: size("size of the first disk", { required: true }),
  },
  result: result.one(flavorColumns),
  changes: true,
  done: ({ args }) => `Made flavor ${args.name}.`,
  withoutStore: true,
  examples: [{ line: "estrato flavor create db --vcpus 4 --ram 8G --disk 100G", says: "a flavor for databases" }],
  exits: { 2: "a malformed name or size", 5: "the name is taken" },
  existing: (context) => thatIsThere(context, "flavor", context.args.name),
  async run({ args, options, store, factory, globals }) {
    const wanted = { name: args.name, vcpus: options.vcpus, ramBytes: options.ram, diskBytes: options.disk };
    return createFlavor(await store(), factory.clock, wanted, globals.dryRun);
  },
});
