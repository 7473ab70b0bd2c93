/** The frame around every verb that changes something: recover, lock, work, collect. */
import type { HeldLocks, World } from "./ports.ts";
import { recoverAll, recoverHeld } from "./recovery.ts";

/**
 * Runs `body` while holding the kernel locks `names` (an instance's UUID, a volume's or an image's id).
 * Before it, whatever a dead command left behind is recovered; after it, what became free is collected.
 * Throws "conflict" where another command holds one of them for longer than the lock time-out.
 */
export async function exclusive<T>(
  world: World,
  names: readonly string[],
  body: (locks: HeldLocks) => Promise<T>,
): Promise<T> {
  if (!world.dryRun) await recoverAll(world);
  const locks = await world.store.lock(names, world.lockTimeoutMs);
  let result: T;
  try {
    if (!world.dryRun) await recoverHeld(world, locks);
    result = await body(locks);
  } finally {
    await locks.release();
  }
  if (!world.dryRun) {
    const { collect } = await import("./layers/collect.ts");
    await collect(world);
  }
  return result;
}
