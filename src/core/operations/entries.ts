/** The journal's entries as core opens and closes them, and whose child each is. */
import { EstratoError } from "../../errors.ts";
import type { JournalEntry } from "../model/journal.ts";
import type { Kind, OpenEntry, World } from "../ports.ts";

/** Durable when it returns. An entry of that id is replaced as a whole. */
export function openEntry(world: World, entry: JournalEntry): Promise<void> {
  return world.store.journal.open(entry);
}

/** What recovery is handed of an entry. */
export function openedEntry<Data>(world: World, kind: Kind<Data>, entry: JournalEntry): OpenEntry<Data> {
  const { id, command, createdAt } = entry;
  return { id, command, createdAt, remember: (data) => openEntry(world, { ...entry, version: kind.version, data }) };
}

/**
 * The one place where an operation ends. Throws "integrity" while one that it began is open: that one's undoing, or its
 * end, is this one's too.
 */
export async function closeEntry(world: World, entry: JournalEntry): Promise<void> {
  const [child] = await childrenOf(world, entry);
  if (child !== undefined) {
    throw new EstratoError(
      "integrity",
      `${entry.command}: ${child.kind}, which it began, has not ended (${child.id})`,
      {
        hint: 'Run "estrato doctor --repair".',
      },
    );
  }
  await world.store.journal.close(entry.id);
}

/** What an operation began and what has not ended, the newest first. */
export async function childrenOf(world: World, entry: JournalEntry): Promise<JournalEntry[]> {
  const entries = await world.store.journal.list(); // oldest first
  const index = entries.findIndex((one) => one.id === entry.id);
  return entries.filter((one, place) => isChild(one, entry, place > index)).reverse();
}

/**
 * 0.1.0 did not write down who began whom. But locks are held by one process at a time: what was opened later under one
 * of an open entry's locks was begun by it.
 */
function isChild(one: JournalEntry, entry: JournalEntry, later: boolean): boolean {
  if (one.parent !== undefined) return one.parent === entry.id;
  return later && one.locks.some((name) => entry.locks.includes(name));
}

/**
 * Has whoever worked on it died? A living one holds its locks: those that can be taken are nobody's, and are let go of
 * at once.
 */
export async function isAbandoned(world: World, entry: JournalEntry): Promise<boolean> {
  try {
    await (await world.store.lock(entry.locks, 0)).release();
  } catch (error) {
    if (error instanceof EstratoError && error.code === "conflict") return false;
    throw error;
  }
  // It may have ended between our look and our lock.
  return (await world.store.journal.list()).some(({ id }) => id === entry.id);
}
