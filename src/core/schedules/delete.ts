/** `schedule delete`: its lines of the crontab go, then the record. What it has made stays. */
import * as v from "valibot";
import { run } from "../operations/operation.ts";
import { type PlanView, perform, type Step } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { setLines } from "./create.ts";
import { CRONTAB_LOCK, findSchedule } from "./find.ts";

interface DeleteData {
  readonly id: string;
  readonly file: string | null;
}

export const deleteScheduleKind: Kind<DeleteData> = {
  name: "schedule.delete",
  version: 1,
  data: v.object({ id: v.string(), file: v.nullable(v.string()) }),
  recover: recoverDeleteSchedule,
};

/** Throws "not_found", "conflict" while it is at work, "host" where there is no crontab. */
export async function deleteSchedule(world: World, target: string): Promise<PlanView | null> {
  const { id } = findSchedule(await world.store.read(), target);
  return withLocks(world, [CRONTAB_LOCK, id], async (locks) => {
    const { name } = findSchedule(await world.store.read(), id);
    const { file } = await world.host.crontab();
    const steps: Step[] = [
      {
        id: "remove-lines",
        title: `Remove its lines from ${file ?? "the crontab"}`,
        actions: [setLines(file, id, [])],
      },
      { id: "forget-schedule", title: "Forget the schedule", run: () => forget(world, id) },
    ];
    return run<DeleteData, null>(world, locks, {
      kind: deleteScheduleKind,
      target: name,
      data: { id, file },
      steps,
      result: async () => null,
    });
  });
}

/** Always forward. */
async function recoverDeleteSchedule(world: World, locks: HeldLocks, { id, file }: DeleteData): Promise<Outcome> {
  await perform(world, locks, [setLines(file, id, [])]);
  await forget(world, id);
  return "forward";
}

async function forget(world: World, id: string): Promise<void> {
  await world.store.update((draft) => {
    delete draft.schedules[id];
  });
}
