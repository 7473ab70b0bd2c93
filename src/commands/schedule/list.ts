import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { scheduleColumns } from "./columns.ts";

export default verb({
  description:
    "Lists the schedules with their next run and how the last one went: `done`, `warned` where only a hook failed, or the kind of the error.",
  result: result.list(scheduleColumns, {
    empty:
      'There is no schedule. To make one: estrato schedule create NAME --backup INSTANCE --cron "0 3 * * *" --rotation 7 --target DIR.',
  }),
  changes: false,
  examples: [
    { line: "estrato schedule list", says: "all of them" },
    { line: "estrato schedule list --filter last_result=failed -f value -c name", says: "those that failed" },
  ],
  async run({ world }) {
    const { viewSchedules } = await import("../../core/schedules/view.ts");
    const { store, clock, host } = await world();
    return viewSchedules(await store.read(), clock.now(), await host.timeZone());
  },
});
