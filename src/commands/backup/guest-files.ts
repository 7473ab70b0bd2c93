/** Whose files `backup files` and `backup extract` read. */
import type { Source } from "../../core/guest-files/source.ts";
import type { World } from "../../core/ports.ts";
import type { Factory } from "../../factory.ts";
import { openedWith, placesOf } from "./place.ts";

/** The options of both that say it. */
interface Which {
  readonly target: string | null;
  readonly disk: string | null;
  readonly passphraseFile: string | null;
}

/** Hands the disks of the backup of this id or name to `use`. Throws what `withBackup` throws. */
export async function reading(factory: Factory, world: World, backup: string, options: Which) {
  const { withBackup } = await import("../../core/guest-files/backup-source.ts");
  const wish = {
    targets: await placesOf(factory, world, options.target),
    backup,
    disk: options.disk,
    passphraseFile: openedWith(options.passphraseFile),
  };
  return <T>(use: (source: Source) => Promise<T>) => withBackup(world, wish, use);
}
