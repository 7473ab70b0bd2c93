/** The frame around every verb that changes something: recover, lock, work, collect. */
import { EstratoError } from "../../errors.ts";
import { clearAbandoned } from "../abandoned.ts";
import type { HeldLocks, World } from "../ports.ts";
import { takeLocks } from "./locks.ts";
import { withPlannedFirst } from "./planned-first.ts";
import { recoverAll, recoverHeld } from "./recovery.ts";

/**
 * Runs `body` while holding the kernel locks `names` (an instance's UUID, a volume's or an image's id, a backup
 * target's path). Before it, whatever a dead command left behind is recovered; after it, what became free is collected.
 * Throws "conflict" where another command holds one of them for longer than the lock time-out. `evenIfBroken`: also
 * where something on them cannot be recovered (a note has said so): for stopping a guest, which may be the way out.
 */
export async function withLocks<T>(
  world: World,
  names: readonly string[],
  body: (locks: HeldLocks) => Promise<T>,
  options: { readonly evenIfBroken?: boolean } = {},
): Promise<T> {
  const isAlone = !world.dryRun && !world.inCompany;
  if (isAlone) await recoverAll(world);
  const clearing = isAlone ? clearAbandoned(world) : null; // while the locks are taken
  let locks: HeldLocks;
  try {
    locks = await lock(world, names);
  } finally {
    await clearing;
  }
  let result: T;
  try {
    if (!world.dryRun) await recoverFirst(world, locks, options.evenIfBroken ?? false);
    result = await body(locks);
    if (isAlone) await collectAfter(world, locks);
  } finally {
    await locks.release();
  }
  return world.dryRun ? withPlannedFirst(world, result) : result;
}

/**
 * The same around several that `work` does side by side, each in the world that it is handed: else the recovery or the
 * collecting of one would hold, for a moment, the lock of another. What is under way is told by its locks. Once for all
 * of them is quicker, too.
 */
export async function sideBySide(world: World, work: (within: World) => Promise<void>): Promise<void> {
  await recoverAll(world);
  await clearAbandoned(world);
  await work({ ...world, inCompany: true });
  await collectAfter(world, null);
}

/** `held`: what the verb has locked; collecting lets go what it does not need. */
async function collectAfter(world: World, held: HeldLocks | null): Promise<void> {
  const { collect } = await import("../layers/collect.ts");
  // A merge is nobody's child: what is collected later than it could be keeps no operation from ending.
  const { parent: _, ...own } = world;
  await collect(own, held);
}

/** The store knows locks by the names of their files: people know an instance, or a volume, by its own. */
async function lock(world: World, names: readonly string[]): Promise<HeldLocks> {
  try {
    return await takeLocks(world, names, world.lockTimeoutMs);
  } catch (error) {
    if (!(error instanceof EstratoError) || error.code !== "conflict") throw error;
    const id = names.find((name) => error.message.startsWith(`${name}:`)) ?? "";
    const state = await world.store.read();
    const instance = state.instances[id]?.name;
    const volume = state.volumes[id]?.name ?? undefined;
    const schedule = state.schedules[id]?.name;
    const kinds = Object.entries({ instance, volume, schedule });
    const known = kinds.flatMap(([kind, name]) => (name === undefined ? [] : [`${kind} ${name}`]))[0];
    const what = known ?? (id.startsWith("download-") ? "a download from that URL" : undefined);
    if (what === undefined) throw error;
    throw new EstratoError("conflict", `${what}: another operation is in progress`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
  }
}

async function recoverFirst(world: World, locks: HeldLocks, evenIfBroken: boolean): Promise<void> {
  try {
    await recoverHeld(world, locks);
  } catch (error) {
    if (!evenIfBroken) throw error;
  }
}
