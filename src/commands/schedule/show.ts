import { many } from "../framework/arguments.ts";
import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { scheduleColumns } from "./columns.ts";

export default verb({
  description: "Shows schedules: what they do, when, with what result, and their lines of the crontab.",
  arguments: { schedules: many("SCHEDULE", "the schedule to show", { complete: "schedule", ask: "Which schedule?" }) },
  result: result.one(scheduleColumns),
  changes: false,
  examples: [{ line: "estrato schedule show nightly -f json", says: "one of them, as JSON" }],
  exits: { 4: "there is no such schedule" },
  async run(context) {
    const { findSchedule } = await import("../../core/schedules/find.ts");
    const { viewSchedule } = await import("../../core/schedules/view.ts");
    const { store, clock, host } = await context.world();
    const [state, zone] = [await store.read(), await host.timeZone()];
    return eachTarget(context, context.args.schedules, { kind: "schedule", verb: "show" }, async (target) =>
      viewSchedule(state, findSchedule(state, target), clock.now(), zone),
    );
  },
});
