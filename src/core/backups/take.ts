/** A backup, and then what its policy leaves of those before it. */
import { exclusive } from "../exclusive.ts";
import { findInstance } from "../instances/find.ts";
import type { PlanView } from "../operation.ts";
import type { HeldLocks, World } from "../ports.ts";
import { type CreateBackupOptions, createBackupLocked } from "./create.ts";
import { deleteLocked } from "./delete.ts";
import { type BackupView, backupsIn } from "./list.ts";
import { type RetentionPolicy, retain } from "./retention.ts";

/**
 * Takes a backup and, once it is whole, removes what the policy does not keep of the same instance, type and target.
 * Throws what `createBackupLocked` throws; where removing fails the backup is there all the same.
 */
export async function backupAndRotate(
  world: World,
  options: CreateBackupOptions,
  policy: RetentionPolicy,
  zone: string = hostZone(),
): Promise<BackupView | PlanView> {
  const { status } = await findInstance(world, options.instance);
  return exclusive(world, [status.uuid, options.target], async (locks) => {
    const made = await createBackupLocked(world, locks, status.uuid, options);
    if ("steps" in made) return made;
    await removeUnkept(world, locks, options.target, { instance: status.uuid, type: options.type }, policy, zone);
    return made;
  });
}

/** Under the target's lock: the oldest first. Returns the ids that went. */
export async function removeUnkept(
  world: World,
  locks: HeldLocks,
  target: string,
  of: { readonly instance: string; readonly type: string },
  policy: RetentionPolicy,
  zone: string = hostZone(),
): Promise<string[]> {
  const all = await backupsIn(world, target);
  const same = all.flatMap(({ id, manifest, problem }) =>
    manifest !== null && problem === null && manifest.instance.id === of.instance && manifest.type === of.type
      ? [{ id, createdAt: manifest.createdAt, protected: manifest.protected }]
      : [],
  );
  const going = retain(same, policy, zone, world.clock.now())
    .filter(({ keep }) => !keep)
    .map(({ id }) => id)
    .reverse();
  for (const id of going) await deleteLocked(world, locks, target, id);
  return going;
}

/** The calendar of this machine's user. */
export function hostZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}
