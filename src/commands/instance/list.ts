import { listInstances } from "../../core/instances/list.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { instanceColumns } from "./columns.ts";

export default verb({
  description: `Lists the instances of this host: those that estrato made or adopted, and every other guest of libvirt (managed: false),
which it has not touched.

Addresses are those that are reserved, else those that were leased; "instance show" also asks the guest's agent.`,
  result: result.list(instanceColumns, {
    empty:
      "There is no instance yet. To make one: estrato image create IMAGE --file FILE, then estrato instance create NAME --image IMAGE.",
  }),
  changes: false,
  examples: [
    { line: "estrato instance list", says: "show all instances" },
    {
      line: "estrato instance list --filter status=active -f value -c name",
      says: "print the names of those that run",
    },
    {
      line: "estrato instance list -f json --query '[?managed].id'",
      says: "print the ids of those that estrato knows",
    },
  ],
  async run({ world, wants }) {
    return listInstances(await world(), { macs: wants("macs"), volumes: wants("volumes") });
  },
});
