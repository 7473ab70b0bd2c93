import { listFlavors } from "../../core/flavors.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { flavorColumns } from "./columns.ts";

export default verb({
  description: "Lists the flavors, the smallest first.",
  result: result.list(flavorColumns, {
    empty: "There is no flavor. To make one: estrato flavor create NAME --vcpus 1 --ram 1G --disk 10G.",
  }),
  changes: false,
  examples: [
    { line: "estrato flavor list", says: "all of them" },
    { line: "estrato flavor list -f value -c name", says: "their names, for a script" },
  ],
  async run({ store }) {
    return listFlavors(await store());
  },
});
