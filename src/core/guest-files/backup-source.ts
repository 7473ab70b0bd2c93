/** The disks of a backup, where it lies. */
import { EstratoError } from "../../errors.ts";
import { diskChain } from "../backups/backup.ts";
import { chainProblems } from "../backups/borrow.ts";
import { findBackup, requireNoProblems, requireWhole, type WholeBackup } from "../backups/find.ts";
import { backupsIn } from "../backups/list.ts";
import { openTarget } from "../backups/targets/open.ts";
import type { GuestDisk } from "../model/guest-files.ts";
import { notFound } from "../names.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { World } from "../ports.ts";
import { disksNamed, type Source } from "./source.ts";

export interface BackupWish {
  readonly targets: readonly string[];
  /** An id, a name, or INSTANCE/NAME. */
  readonly backup: string;
  /** A device; null: all of its disks. */
  readonly disk: string | null;
  readonly passphraseFile: string | null;
}

/**
 * Hands `use` its disks. The target is locked until that has ended: nothing of it is merged or removed. Their files are
 * compared with the manifests by size, header and chain, not read through. Throws "host" for an encrypted one without a
 * passphrase, "integrity" where it is damaged.
 */
export async function withBackup<T>(world: World, wish: BackupWish, use: (source: Source) => Promise<T>): Promise<T> {
  const first = requireWhole(await findBackup(world, wish.targets, wish.backup));
  requireOpener(first, wish.passphraseFile);
  if (wish.passphraseFile !== null) await world.host.checkPassphrase(wish.passphraseFile);
  const read = async () => use(await sourceOf(world, first, wish));
  if (await world.store.isThere()) return withLocks(world, [first.target], read);
  // On a machine that has nothing but the target, looking at it makes no store
  const locks = await openTarget(world, first.target).lock(world.lockTimeoutMs);
  try {
    return await read();
  } finally {
    await locks?.release();
  }
}

function requireOpener({ id, manifest }: WholeBackup, passphraseFile: string | null): void {
  if (!manifest.encrypted || passphraseFile !== null) return;
  throw new EstratoError("host", `backup ${id}: it is encrypted`, {
    hint: "Say what opens it: --passphrase-file FILE.",
  });
}

/** Asked again, now that it stays as it is. */
async function sourceOf(world: World, { id, target: name }: WholeBackup, wish: BackupWish): Promise<Source> {
  const known = new Map((await backupsIn(world, name)).map((one) => [one.id, one]));
  const found = known.get(id);
  if (found === undefined) throw notFound("backup", id);
  const backup = requireWhole(found);
  const { encrypted } = backup.manifest;
  const target = openTarget(world, name);
  const wanted = disksNamed(backup.manifest.disks, wish.disk, `backup ${id}`);
  const chains = wanted.map((disk) => diskChain(target, id, disk, known));
  requireNoProblems(backup, await chainProblems(world, target, chains, encrypted));
  const disks = wanted.map(
    ({ device, file }): GuestDisk => ({
      device,
      image: target.backup(id).image(file),
      passphraseFile: encrypted ? wish.passphraseFile : null,
    }),
  );
  return { what: `backup ${id}`, disks };
}
