import { resumeInstance } from "../../core/instances/pause.ts";
import { verb } from "../framework/verb.ts";
import { eachInstance, instancesOnRequest, manyInstances } from "./targets.ts";

export default verb({
  description: "Lets paused instances run on. One that runs is left alone.",
  arguments: { instances: manyInstances },
  result: instancesOnRequest,
  changes: true,
  done: ({ target, changed }) => (changed ? `Resumed ${target}.` : `${target} runs already.`),
  examples: [{ line: "estrato instance resume web1", says: "let web1 run on" }],
  exits: { 5: "it is off" },
  async run(context) {
    return eachInstance(context, context.args.instances, "resume", resumeInstance);
  },
});
