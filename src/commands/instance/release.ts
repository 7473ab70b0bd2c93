import { releaseInstance } from "../../core/instances/release.ts";
import { verb } from "../framework/verb.ts";
import { eachInstance, instancesOnRequest, manyInstances } from "./targets.ts";

export default verb({
  description: `Gives adopted guests back: their disks are the files they had before, with their owner and mode, and hold what the guest last wrote. estrato
then knows nothing of them. One that is not adopted is left alone.

Nothing may stand on their disks any more: snapshots, images and instances made from those are deleted first.`,
  arguments: { instances: manyInstances },
  result: instancesOnRequest,
  changes: true,
  done: ({ target }) => `Released ${target}: its disks are as they were.`,
  examples: [{ line: "estrato instance release legacy", says: "give an adopted guest back" }],
  exits: { 5: "something stands on its disks, it must be stopped first, or estrato made it" },
  async run(context) {
    return eachInstance(context, context.args.instances, "release", releaseInstance);
  },
});
