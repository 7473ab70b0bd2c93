import { one } from "../framework/arguments.ts";
import { flag } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";

export default verb({
  description:
    "Does now what a schedule does, and remembers how it went: takes the backup or the snapshot, then removes what its retention or an expiry says. Nothing " +
    "goes unless the new one is there. An instance that is busy is waited for, as long as the schedule's --lock-timeout says.",
  arguments: {
    schedule: one("SCHEDULE", "the schedule to run", { complete: "schedule", ask: "Which schedule?" }),
  },
  options: {
    jitter: flag("wait first, at most as long as the schedule's --jitter"),
    catchUp: flag("do nothing unless a time of its has gone by since it last began"),
  },
  changes: true,
  done: ({ args }) => `Ran schedule ${args.schedule}.`,
  examples: [
    { line: "estrato schedule run nightly", says: "now, to see whether it works" },
    { line: "estrato schedule run nightly --catch-up", says: "only where a run was missed" },
  ],
  exits: { 4: "there is no such schedule or instance", 5: "its last run is still at work, or the instance is busy" },
  async run({ args, options, world }) {
    const { runSchedule } = await import("../../core/schedules/run.ts");
    return runSchedule(await world(), args.schedule, { catchUp: options.catchUp, jitter: options.jitter });
  },
});
