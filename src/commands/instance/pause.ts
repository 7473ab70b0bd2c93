import { pauseInstance } from "../../core/instances/pause.ts";
import { verb } from "../framework/verb.ts";
import { eachInstance, instancesOnRequest, manyInstances } from "./targets.ts";

export default verb({
  description: "Pauses instances: their processors stand still, their memory stays. A paused one is left alone.",
  arguments: { instances: manyInstances },
  result: instancesOnRequest,
  changes: true,
  done: ({ target, changed }) => (changed ? `Paused ${target}.` : `${target} is paused already.`),
  examples: [{ line: "estrato instance pause web1", says: "let web1 stand still" }],
  exits: { 5: "it is off" },
  async run(context) {
    return eachInstance(context, context.args.instances, "pause", pauseInstance);
  },
});
