/** `backup protect` and `unprotect`: a mark in the manifest, so that it goes where the backup goes. */
import { EstratoError } from "../../errors.ts";
import { exclusive } from "../exclusive.ts";
import type { PlanView } from "../operation.ts";
import type { World } from "../ports.ts";
import { findBackup, requireWhole } from "./find.ts";
import { folderOf, MANIFEST } from "./layout.ts";
import { type BackupView, backupsIn, viewBackup } from "./list.ts";
import { manifestText } from "./manifest.ts";

/** Rotation, prune and delete leave a protected backup alone. Idempotent. The manifest is either the old or the new one, so no journal is needed. */
export async function setProtected(
  world: World,
  targets: readonly string[],
  word: string,
  on: boolean,
): Promise<BackupView | PlanView> {
  const { id, target } = await findBackup(world, targets, word);
  return exclusive(world, [target], async () => {
    const found = (await backupsIn(world, target)).find((one) => one.id === id);
    if (found === undefined) throw new EstratoError("not_found", `backup ${word}: not found`);
    const backup = requireWhole(found);
    const manifest = { ...backup.manifest, protected: on };
    const path = `${folderOf(target, id)}/${MANIFEST}`;
    const action = { do: "write-file", path, text: manifestText(manifest) } as const;
    if (world.dryRun) {
      const title = on ? "Protect it" : "Lift its protection";
      return { steps: [{ title, commands: world.host.commandsFor(action) }], notes: [], freesBytes: null };
    }
    if (backup.manifest.protected !== on) await world.host.perform(action);
    return viewBackup({ ...backup, manifest });
  });
}
