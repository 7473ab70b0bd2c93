import { EstratoError } from "../../errors.ts";
import { one } from "../framework/arguments.ts";
import { flag } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { scheduleColumns } from "./columns.ts";
import { verificationOf, verificationOptions } from "./verification.ts";

export default verb({
  description:
    "Changes what a schedule does from now on: what of each backup it verifies. Its times and what it has taken stay.",
  arguments: {
    schedule: one("SCHEDULE", "the schedule to change", { complete: "schedule", ask: "Which schedule?" }),
  },
  options: { ...verificationOptions, noVerify: flag("verify nothing") },
  result: result.one(scheduleColumns, { onRequest: true }),
  changes: true,
  done: ({ args }) => `Changed schedule ${args.schedule}.`,
  examples: [{ line: "estrato schedule set nightly --verify 5%", says: "from now on read a twentieth each night" }],
  exits: {
    2: "nothing to change, or it takes snapshots",
    4: "there is no such schedule",
    5: "it is at work",
  },
  async run({ args, options, world, factory }) {
    const verify = verificationOf("schedule set", options);
    if ((verify === null) !== options.noVerify) {
      throw new EstratoError("usage", "schedule set: give one of --verify and --no-verify", {
        hint: "--verify 5% reads a share of each backup, --verify boot starts a guest from it.",
      });
    }
    const { setSchedule } = await import("../../core/schedules/set.ts");
    const { viewSchedule } = await import("../../core/schedules/view.ts");
    const core = await world();
    const changed = await setSchedule(core, args.schedule, { verify });
    if ("steps" in changed) return changed;
    return viewSchedule(await core.store.read(), changed, factory.clock.now(), await core.host.timeZone());
  },
});
