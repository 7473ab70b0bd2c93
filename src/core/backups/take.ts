/** A backup, and then what its policy leaves of those before it. */
import { exclusive } from "../exclusive.ts";
import { findInstance } from "../instances/find.ts";
import type { PlanView } from "../operation.ts";
import type { HeldLocks, World } from "../ports.ts";
import { pruneSnapshots } from "../snapshots/set.ts";
import { type CreateBackupOptions, createBackupLocked } from "./create.ts";
import { deleteLocked } from "./delete.ts";
import { type Backup, type BackupView, backupsIn } from "./list.ts";
import { type Kept, type RetentionPolicy, retain, type Verdict } from "./retention.ts";

/**
 * Takes a backup and, once it is whole, removes what the policy does not keep of the same instance, type and target.
 * Throws what `createBackupLocked` throws; where removing fails the backup is there all the same. Snapshots that have expired go too.
 */
export async function backupAndRotate(
  world: World,
  options: CreateBackupOptions,
  policy: RetentionPolicy,
  zone: string = hostZone(),
): Promise<BackupView | PlanView> {
  const { status } = await findInstance(world, options.instance);
  const taken = await exclusive(world, [status.uuid, options.target], async (locks) => {
    const made = await createBackupLocked(world, locks, status.uuid, options);
    const series = { instance: status.uuid, type: options.type };
    const { target, passphraseFile } = options;
    if ("steps" in made) {
      const going = await goingAfter(world, target, series, { policy, zone });
      return { ...made, notes: [...made.notes, ...going] };
    }
    await removeUnkept(world, locks, { target, passphraseFile }, series, { policy, zone });
    return made;
  });
  // What another command works on is left for the next time.
  if (!world.dryRun) await pruneSnapshots({ ...world, lockTimeoutMs: 0 });
  return taken;
}

/** Whose backups a policy is about. */
export interface Series {
  readonly instance: string; // UUID
  readonly type: string;
}

/** Where they are, and what opens them where they are encrypted. */
export interface Place {
  readonly target: string;
  readonly passphraseFile: string | null;
}

/** Under the target's lock: what the policy does not keep goes, the oldest first. Returns the verdicts, the newest first. */
export async function removeUnkept(
  world: World,
  locks: HeldLocks,
  { target, passphraseFile }: Place,
  series: Series,
  { policy, zone = hostZone() }: { readonly policy: RetentionPolicy; readonly zone?: string },
): Promise<Verdict[]> {
  const verdicts = retain(inSeries(await backupsIn(world, target), series), policy, zone, world.clock.now());
  const going = verdicts.filter(({ keep }) => !keep).reverse();
  if (!world.dryRun) for (const { id } of going) await deleteLocked(world, locks, target, id, passphraseFile);
  return verdicts;
}

/** What one more would send away, in sentences. */
async function goingAfter(
  world: World,
  target: string,
  series: Series,
  { policy, zone }: { readonly policy: RetentionPolicy; readonly zone: string },
): Promise<string[]> {
  const now = world.clock.now();
  const there = inSeries(await backupsIn(world, target), series);
  const verdicts = retain([...there, { id: "", createdAt: now.toISOString(), protected: false }], policy, zone, now);
  return verdicts.filter(({ keep }) => !keep).map(({ id, why }) => `Backup ${id} will go: ${why.join(", ")}.`);
}

/** Those that count: whole ones. */
function inSeries(all: readonly Backup[], { instance, type }: Series): Kept[] {
  return all.flatMap(({ id, manifest, problem }) =>
    manifest !== null && problem === null && manifest.instance.id === instance && manifest.type === type
      ? [{ id, createdAt: manifest.createdAt, protected: manifest.protected }]
      : [],
  );
}

/** The calendar of this machine's user. */
export function hostZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}
