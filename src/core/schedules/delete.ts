/** `schedule delete`: its lines of the crontab go, then the record. What it has made stays. */

import { exclusive } from "../exclusive.ts";
import type { JournalEntry } from "../model/journal.ts";
import { execute, type PlanView, perform, planView, type Step } from "../operation.ts";
import type { HeldLocks, Outcome, World } from "../ports.ts";
import { setLines } from "./create.ts";
import { CRONTAB_LOCK, findSchedule } from "./find.ts";

interface DeleteData {
  readonly id: string;
  readonly file: string | null;
}

/** Throws "not_found", "conflict" while it is at work, "host" where there is no crontab. */
export async function deleteSchedule(world: World, target: string): Promise<PlanView | null> {
  const { id } = findSchedule(await world.store.read(), target);
  return exclusive(world, [CRONTAB_LOCK, id], async (locks) => {
    const { name } = findSchedule(await world.store.read(), id);
    const { file } = await world.host.crontab();
    const data: DeleteData = { id, file };
    const steps: Step[] = [
      {
        id: "remove-lines",
        title: `Remove its lines from ${file ?? "the crontab"}`,
        actions: [setLines(file, id, [])],
      },
      { id: "forget-schedule", title: "Forget the schedule", run: () => forget(world, id) },
    ];
    if (world.dryRun) return planView(world, steps);
    await execute(world, locks, { kind: "schedule.delete", target: name, data, steps }, recoverDeleteSchedule);
    return null;
  });
}

/** Always forward. */
export async function recoverDeleteSchedule(world: World, locks: HeldLocks, entry: JournalEntry): Promise<Outcome> {
  const { id, file } = entry.data as DeleteData;
  await perform(world, locks, [setLines(file, id, [])]);
  await forget(world, id);
  return "forward";
}

async function forget(world: World, id: string): Promise<void> {
  await world.store.update((draft) => {
    delete draft.schedules[id];
  });
}
