/** What is known of merges before they are begun: from the void note on there is no way back. */
import type { World } from "../ports.ts";
import type { DeleteData } from "./delete-recovery.ts";
import { opening } from "./key.ts";
import { diskFile } from "./parts.ts";
import type { BackupTarget } from "./targets/target.ts";

/**
 * Throws Unmergeable where the passphrase (a file; null: nothing is encrypted) does not open a disk that is merged or one
 * that takes it in.
 */
export async function planMerges(
  world: World,
  target: BackupTarget,
  { id, child, devices }: Pick<DeleteData, "id" | "child" | "devices">,
  passphraseFile: string | null,
): Promise<void> {
  if (child === null || passphraseFile === null) return;
  for (const device of devices) {
    for (const one of [child, id]) {
      const image = { ...target.backup(one).image(diskFile(device)), passphraseFile };
      await opening(id, passphraseFile, world.host.ownExtents(image));
    }
  }
}
