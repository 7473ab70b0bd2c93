import { showNetwork } from "../../core/network-views.ts";
import { many } from "../framework/arguments.ts";
import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { networkColumns } from "./columns.ts";

export default verb({
  description:
    "Shows networks of libvirt in full: how they lead out, which addresses they give, to whom, and who is on them.",
  arguments: { networks: many("NETWORK", "the network to show", { complete: "network" }) },
  result: result.one(networkColumns),
  changes: false,
  examples: [
    { line: "estrato network show default", says: "all of it" },
    {
      line: "estrato network show default -f json --query 'reservations[].address'",
      says: "addresses that are given away",
    },
  ],
  exits: { 4: "there is no such network" },
  withoutStore: true,
  async run(context) {
    const { host } = await context.world();
    return eachTarget(context, context.args.networks, { kind: "network", verb: "show" }, (name) =>
      showNetwork(host, name),
    );
  },
});
