/**
 * What `verify` found wrong with a backup's own files is remembered in the target itself, so that every store that uses
 * it knows: such a backup is not built on, not counted and not merged, until it is verified whole again.
 */
import { EstratoError } from "../../errors.ts";
import { perform } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";
import { DAMAGE_NOTE } from "./parts.ts";
import { openTarget } from "./targets/open.ts";
import type { StoredBackup } from "./targets/target.ts";

/** The first of what was found; null where nothing is known to be wrong. A note that cannot be read counts. */
export async function damageOf(backup: StoredBackup): Promise<string | null> {
  if ((await backup.look(DAMAGE_NOTE)) === null) return null;
  try {
    const { format, problems } = JSON.parse((await backup.readText(DAMAGE_NOTE)) ?? "");
    if (format === 1 && typeof problems[0] === "string") return problems[0];
  } catch {
    // Said below.
  }
  return "it was found damaged";
}

/**
 * Remembers a verdict, under the target's lock. `problems`: [] where it is whole. The note is there or it is not, so
 * that no journal is needed. Where it cannot be written (a target that is read-only) a note to the user says so.
 */
export async function rememberVerdict(
  world: World,
  locks: HeldLocks,
  target: string,
  id: string,
  problems: readonly string[],
): Promise<void> {
  const backup = openTarget(world, target).backup(id);
  const isNoted = (await backup.look(DAMAGE_NOTE)) !== null;
  if (problems.length === 0 && !isNoted) return;
  const text = `${JSON.stringify({ format: 1, foundAt: world.clock.now().toISOString(), problems })}\n`;
  try {
    const actions = problems.length === 0 ? backup.removeFile(DAMAGE_NOTE) : backup.writeText(DAMAGE_NOTE, text);
    await perform(world, locks, actions);
  } catch (error) {
    if (!(error instanceof Error) || (error instanceof EstratoError && error.code === "interrupted")) throw error;
    world.report.note(
      `${id}: that it is ${problems.length === 0 ? "whole" : "damaged"} cannot be kept: ${error.message}`,
    );
  }
}
