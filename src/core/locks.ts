/** Kernel locks, and for a folder of backups the one in it too: two stores may keep their backups in one folder, and neither knows the locks of the other. */
import { markerFile } from "./backups/layout.ts";
import type { HeldLocks, World } from "./ports.ts";

/**
 * Takes the locks `names`; "conflict" where one is held for longer than `timeoutMs`. Of a backup target (a path) that is there, its marker is locked as
 * well. Where that cannot be, a note says so and the work goes on: one store alone is safe by its own locks.
 */
export async function takeLocks(world: World, names: readonly string[], timeoutMs: number): Promise<HeldLocks> {
  let held = await world.store.lock(names, timeoutMs, world.signal);
  try {
    for (const target of held.names.filter((name) => name.startsWith("/"))) {
      const shared = await lockTarget(world, target, timeoutMs);
      if (shared !== null) held = joined(held, shared);
    }
    return held;
  } catch (error) {
    await held.release();
    throw error;
  }
}

/** Null where there is no marker: nothing has been written there yet, or its disk is not mounted. */
async function lockTarget(world: World, target: string, timeoutMs: number): Promise<HeldLocks | null> {
  const marker = markerFile(target);
  if ((await world.host.fileInfo(marker)) === null) return null;
  const locks = await world.store.lockShared(marker, target, timeoutMs, world.signal);
  if (locks === null) {
    world.report.note(`${target}: it cannot be locked: let no other store work in it at the same time`);
  }
  return locks;
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
