import { many } from "../framework/arguments.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";

export default verb({
  description: "Deletes schedules and their lines of the crontab. What they took stays.",
  arguments: {
    schedules: many("SCHEDULE", "the schedule to delete", { complete: "schedule", ask: "Which schedule?" }),
  },
  changes: true,
  done: ({ target }) => `Deleted schedule ${target}.`,
  examples: [{ line: "estrato schedule delete nightly", says: "it runs no more" }],
  exits: { 4: "there is no such schedule", 5: "it is at work", 6: "there is no crontab" },
  async run(context) {
    const { deleteSchedule } = await import("../../core/schedules/delete.ts");
    const world = await context.world();
    return eachTarget(context, context.args.schedules, { kind: "schedule", verb: "delete" }, (target) =>
      deleteSchedule(world, target),
    );
  },
});
