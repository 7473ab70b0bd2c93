/** A copy that was never finished goes; one that has its name stays. */
import { EstratoError } from "../../errors.ts";
import type { JournalEntry } from "../../store/schema.ts";
import { type Outcome, perform } from "../operation.ts";
import type { HeldLocks, World } from "../ports.ts";

/** What the journal remembers of a copy under way. */
export interface SaveData {
  /** Where it is made; nobody but us knows this name. */
  readonly work: string;
  /** The name it is to get; null where it is read out and goes again. */
  readonly to: string | null;
  /** The stamp of what had that name before; null where nothing had. */
  readonly before: string | null;
}

/** Removes what was being made. Never touches `to`: what is there is whole, ours or the one from before. Repeatable. */
export async function recoverSave(world: World, locks: HeldLocks, entry: JournalEntry): Promise<Outcome> {
  const { work, to, before } = entry.data as SaveData;
  await perform(world, locks, [
    { do: "unlink", path: `${work}.part` },
    { do: "unlink", path: work },
  ]);
  if (to === null) return "back";
  const now = await stampOf(world, to);
  return now !== null && now !== before ? "forward" : "back";
}

/** Tells one file from another that has got its name; null where there is none. */
export async function stampOf(world: World, path: string): Promise<string | null> {
  try {
    const held = await world.host.holdFile(path);
    try {
      return await held.stamp();
    } finally {
      await held.close();
    }
  } catch (error) {
    if (error instanceof EstratoError && error.code === "not_found") return null;
    throw error;
  }
}
