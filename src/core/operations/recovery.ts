/**
 * Finds operations that never ended (their owner is dead: its locks are free) and hands each to the code that knows its
 * kind.
 */
import { EstratoError } from "../../errors.ts";
import { wordsOf } from "../../system-answer.ts";
import { requireNoneLost } from "../instances/find.ts";
import type { JournalEntry, KindName } from "../model/journal.ts";
import type { HeldLocks, Outcome, World } from "../ports.ts";
import { childrenOf, closeEntry, openedEntry } from "./entries.ts";
import { joined, takeLocks } from "./locks.ts";

/** Operations that have not ended, the newest first. */
async function pending(world: World): Promise<JournalEntry[]> {
  return (await world.store.journal.list()).reverse();
}

/**
 * Ends what an entry began, forward or back; before it all that it began itself, the newest first. `held`: locks of
 * ours; those that are missing are taken for it. Throws what recovery throws: the entry stays then, and every entry
 * that waits for it.
 */
export async function endEntry(world: World, held: HeldLocks, entry: JournalEntry): Promise<void> {
  const load = Object.hasOwn(world.kinds, entry.kind) ? world.kinds[entry.kind as KindName] : undefined;
  if (load === undefined) {
    throw new EstratoError("integrity", `journal entry ${entry.id}: unknown operation "${entry.kind}"`, {
      hint: "It was written by another version of estrato: run any command of that version, which ends it.",
    });
  }
  const missing = entry.locks.filter((name) => !held.names.includes(name));
  const extra = missing.length === 0 ? null : await takeLocks(world, missing, world.lockTimeoutMs);
  const locks = extra === null ? held : joined(held, extra);
  try {
    await world.store.journal.claim(entry);
    for (const child of await childrenOf(world, entry)) await endEntry(world, locks, child);
    await requireNoneAstray(world, entry);
    const [kind, { dataOf }] = await Promise.all([load(), import("./entry-data.ts")]);
    const outcome = await kind.recover(world, locks, dataOf(kind, entry), openedEntry(world, kind, entry));
    // Killed just after it had stored the state, its records of things did not follow: a change of nothing sees to that
    await world.store.update(() => undefined);
    await closeEntry(world, entry);
    world.report.note(`${entry.command}: had not ended; ${RECOVERED[outcome]}`);
  } finally {
    await extra?.release();
  }
}

/** One that ended another ended what that one began. */
async function isOpen(world: World, { id }: JournalEntry): Promise<boolean> {
  return (await world.store.journal.list()).some((other) => other.id === id);
}

/** What recovery finds of a guest that is off is true only where it is. */
async function requireNoneAstray(world: World, entry: JournalEntry): Promise<void> {
  const { instances } = await world.store.read();
  const names = entry.locks.filter((name) => instances[name] !== undefined);
  const statuses = await world.host.domainStatuses(names);
  await requireNoneLost(world, [...statuses.values()]);
}

const RECOVERED: Readonly<Record<Outcome, string>> = {
  forward: "finished now",
  back: "undone",
  halfway: "left half-way: the same command goes on with it",
};

/**
 * Recovers what overlaps with locks that we hold: their owners are dead, since a living one would hold them.
 * Throws what recovery throws: such an instance cannot be worked on.
 */
export async function recoverHeld(world: World, held: HeldLocks): Promise<void> {
  for (const entry of await pending(world)) {
    if (!entry.locks.some((name) => held.names.includes(name))) continue;
    if (await isOpen(world, entry)) await endEntry(world, held, entry);
  }
}

/**
 * Recovers everything whose owner is dead. What is still locked after `timeoutMs` is somebody's living work (or what a
 * killed one had told libvirt to do), and is left alone; what fails is named in a note (or in `failures`, where handed
 * in) and stays for the next time.
 */
export async function recoverAll(
  world: World,
  failures?: { entry: JournalEntry; error: unknown }[],
  timeoutMs = 0,
): Promise<void> {
  for (const entry of await pending(world)) {
    let locks: HeldLocks;
    try {
      locks = await takeLocks(world, entry.locks, timeoutMs);
    } catch (error) {
      if (error instanceof EstratoError && error.code === "conflict") continue;
      throw error;
    }
    try {
      // Read again under the lock: its owner may have ended it between our look and our lock.
      if (await isOpen(world, entry)) await endEntry(world, locks, entry);
    } catch (error) {
      if (failures !== undefined) failures.push({ entry, error });
      else world.report.note(`${entry.command}: had not ended and cannot be recovered yet: ${wordsOf(error)}`);
    } finally {
      await locks.release();
    }
  }
}
