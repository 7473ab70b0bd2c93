import { listNetworkViews } from "../../core/network-views.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { networkColumns } from "./columns.ts";

export default verb({
  description: `Lists the networks of libvirt that instances can be on, by name, and who is on them.

In a user's own libvirt (qemu:///session) there are none, as a rule: instances are on the network user there, which each has for itself.`,
  result: result.list(networkColumns, {
    empty: "libvirt has no network here. The network user needs none: estrato instance create NAME --network user.",
  }),
  changes: false,
  examples: [
    { line: "estrato network list", says: "all of them" },
    { line: "estrato network list --filter status=active -f value -c name", says: "the names of those that are up" },
  ],
  withoutStore: true,
  async run({ world }) {
    return listNetworkViews((await world()).host);
  },
});
