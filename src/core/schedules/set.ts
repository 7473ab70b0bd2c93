/** `schedule set`: what a schedule does from now on. Its times and lines stay. */
import { EstratoError } from "../../errors.ts";
import { withChange } from "../model/drafts.ts";
import type { Schedule, State, Verification } from "../model/state.ts";
import type { PlanView } from "../operations/steps.ts";
import { runUnjournaled } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { World } from "../ports.ts";
import { findSchedule } from "./find.ts";

export interface ScheduleChanges {
  /** null: what it takes is no longer verified. */
  readonly verify: Verification | null;
}

/**
 * Throws "not_found"; "conflict" while it is at work; "usage" for what does not go with what it takes. A dry run
 * returns the plan and changes nothing.
 */
export async function setSchedule(
  world: World,
  target: string,
  { verify }: ScheduleChanges,
): Promise<Schedule | PlanView> {
  const { id } = findSchedule(await world.store.read(), target);
  return withLocks(world, [id], async (locks) => {
    const change = (draft: State) => {
      const schedule = findSchedule(draft, id);
      const { task } = schedule;
      if (task.kind !== "backup") {
        throw new EstratoError(
          "usage",
          `schedule ${schedule.name}: it takes snapshots, and backups alone are verified`,
          {
            hint: "Leave --verify out.",
          },
        );
      }
      task.verify =
        verify?.kind === "share" && task.verify?.kind === "share" ? { ...verify, from: task.verify.from } : verify;
    };
    const after = withChange(await world.store.read(), change);
    const steps = [{ id: "record", title: "Record what it does", run: () => world.store.update(change) }];
    return runUnjournaled<Schedule>(world, locks, steps, findSchedule(after, id));
  });
}
