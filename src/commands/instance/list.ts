import { listInstances } from "../../core/instances/list.ts";
import type { Factory } from "../../factory.ts";
import type { Globals } from "../../globals.ts";
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
  async run({ world, globals, factory }) {
    return listInstances(await world(), { macs: await showsMacs(globals, factory) });
  },
});

/** They are not in the table. */
async function showsMacs({ format, column, query, filter, sort }: Globals, factory: Factory): Promise<boolean> {
  if (query !== null || [...column, ...filter, sort ?? ""].some((words) => words.startsWith("macs"))) return true;
  const shown = format ?? (await factory.settings()).get("format").value;
  return column.length === 0 && (shown === "json" || shown === "yaml");
}
