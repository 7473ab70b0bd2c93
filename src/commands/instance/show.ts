import { showInstance } from "../../core/instances/show.ts";
import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { instanceDetailColumns } from "./columns.ts";
import { manyInstances } from "./targets.ts";

export default verb({
  description: `Shows instances in full. The address is the one that is reserved, else what the guest's agent says, else what was leased.

An instance whose domain libvirt has lost is shown with status "error".`,
  arguments: { instances: manyInstances },
  result: result.one(instanceDetailColumns),
  changes: false,
  examples: [
    { line: "estrato instance show web1", says: "show all of web1" },
    { line: "estrato instance show web1 -f value -c status", says: "print its status alone" },
  ],
  async run(context) {
    const world = await context.world();
    const words = { kind: "instance", verb: "show" };
    return eachTarget(context, context.args.instances, words, (target) => showInstance(world, target));
  },
});
