/**
 * Kernel locks, and for a backup target the one in it too: two stores may keep their backups in one target, and neither
 * knows the locks of the other.
 */
import { isTargetName, openTarget } from "../backups/targets/open.ts";
import type { HeldLocks, World } from "../ports.ts";

/**
 * Takes the locks `names`; "conflict" where one is held for longer than `timeoutMs`. A backup target that is there is
 * locked for other stores as well. Where that cannot be, a note says so and the work goes on: one store alone is safe
 * by its own locks.
 */
export async function takeLocks(world: World, names: readonly string[], timeoutMs: number): Promise<HeldLocks> {
  let held = await world.store.lock(names, timeoutMs, world.signal);
  try {
    for (const target of held.names.filter(isTargetName)) {
      const shared = await openTarget(world, target).lock(timeoutMs);
      if (shared !== null) held = joined(held, shared);
    }
    return held;
  } catch (error) {
    await held.release();
    throw error;
  }
}

/** Both, as one. */
export function joined(a: HeldLocks, b: HeldLocks): HeldLocks {
  return {
    names: [...a.names, ...b.names],
    fds: [...a.fds, ...b.fds],
    release: async () => {
      await b.release();
      await a.release();
    },
  };
}
