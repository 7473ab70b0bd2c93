/** `backup protect` and `unprotect`: a mark in the manifest, so that it goes where the backup goes. */

import { notFound } from "../names.ts";
import { type PlanView, planView, unchanged } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { World } from "../ports.ts";
import { findBackup, requireWhole } from "./find.ts";
import { type BackupView, backupsIn, viewBackup } from "./list.ts";
import { manifestText } from "./manifest.ts";
import { MANIFEST } from "./parts.ts";
import { openTarget } from "./targets/open.ts";

/**
 * Rotation, prune and delete leave a protected backup alone. Idempotent. The manifest is either the old or the new one,
 * so no journal is needed.
 */
export async function setProtected(
  world: World,
  targets: readonly string[],
  word: string,
  on: boolean,
): Promise<BackupView | PlanView> {
  const { id, target } = await findBackup(world, targets, word);
  return withLocks(world, [target], async () => {
    const found = (await backupsIn(world, target)).find((one) => one.id === id);
    if (found === undefined) throw notFound("backup", word);
    // Of one whose files were found damaged the mark can still be changed: else nobody could ever delete it.
    const backup = found.manifest === null ? requireWhole(found) : { ...found, manifest: found.manifest };
    const manifest = { ...backup.manifest, protected: on };
    const actions = openTarget(world, target).backup(id).writeText(MANIFEST, manifestText(manifest));
    const made = viewBackup({ ...backup, manifest });
    if (backup.manifest.protected === on) return unchanged(world, made, `Backup ${id} is so already.`);
    await openTarget(world, target).requireWritable([id]);
    const title = on ? `Protect ${id}` : `Lift the protection of ${id}`;
    if (world.dryRun) return planView(world, [{ id: "mark", title, actions }]);
    for (const action of actions) await world.host.perform(action);
    return made;
  });
}
