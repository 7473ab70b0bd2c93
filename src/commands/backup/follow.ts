/** `backup list --follow`: how far the backups are that are being taken, and then what became of them. */
import type { BackupFilter, BackupView } from "../../core/backups/list.ts";
import { becameOf, untilTaken } from "../../core/backups/under-way.ts";
import type { World } from "../../core/ports.ts";

/** Those that were taken; of the others a note. Null where Ctrl-C has ended it. */
export async function followed(world: World, filter: BackupFilter): Promise<BackupView[] | null> {
  try {
    const seen = await untilTaken(world, filter);
    if (seen.length === 0) world.report.note("No backup is being taken.");
    const { taken, failed } = await becameOf(world, seen);
    for (const { one, why } of failed)
      world.report.note(`Backup of ${one.instance}: not taken${why === null ? "" : `: ${why}`}`);
    return taken;
  } catch (error) {
    if (world.signal.aborted) return null; // there is nothing to undo
    throw error;
  }
}
