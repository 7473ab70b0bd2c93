/** A copy that was never finished goes; one that has its name stays. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { perform } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";

/** What the journal remembers of a copy under way. */
export interface SaveData {
  /** Where it is made; nobody but us knows this name. */
  readonly work: string;
  /** The name it is to get; null where it is read out and goes again. */
  readonly to: string | null;
  /** The stamp of what had that name before; null where nothing had. */
  readonly before: string | null;
}

export const saveImageKind: Kind<SaveData> = {
  name: "image.save",
  version: 1,
  data: v.object({ work: v.string(), to: v.nullable(v.string()), before: v.nullable(v.string()) }),
  recover: recoverSave,
};

/** Removes what was being made. Never touches `to`: what is there is whole, ours or the one from before. Repeatable. */
async function recoverSave(world: World, locks: HeldLocks, { work, to, before }: SaveData): Promise<Outcome> {
  for (const path of [`${work}.part`, work]) await remove(world, locks, path);
  if (to === null) return "back";
  const now = await stampOf(world, to);
  return now !== null && now !== before ? "forward" : "back";
}

/**
 * What cannot be removed lies in a folder of the user's, where nothing of ours needs it: no reason to let his image
 * stand still.
 */
async function remove(world: World, locks: HeldLocks, path: string): Promise<void> {
  try {
    await perform(world, locks, [{ do: "unlink", path }]);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    world.report.note(`${path}: could not be removed (${error.message}); remove it yourself`);
  }
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
