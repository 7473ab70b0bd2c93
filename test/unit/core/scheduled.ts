/** Processes at the same time, whose steps a scheduler puts in an order. */
import type fc from "fast-check";
import type { Process } from "./world.ts";

/** The process waits before each of these until the scheduler lets it go on. */
export function scheduled(scheduler: fc.Scheduler, name: string, world: Process): Process {
  const { store, host } = world;
  const turn =
    <A extends unknown[], R>(what: string, call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await scheduler.schedule(Promise.resolve(), `${name} ${what}`);
      return call(...args);
    };
  store.read = turn("read", store.read);
  store.update = turn("update", store.update as (change: unknown) => Promise<unknown>) as typeof store.update;
  store.lock = turn("lock", store.lock);
  store.journal.open = turn("journal", store.journal.open);
  store.journal.list = turn("journal?", store.journal.list);
  store.journal.close = turn("close", store.journal.close);
  host.perform = turn("perform", host.perform);
  return world;
}
