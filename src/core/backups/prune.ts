/**
 * `backup prune`: a policy laid on all series of backups in some targets, with the reason for each that stays or goes.
 */
import { withLocks } from "../operations/with-locks.ts";
import type { World } from "../ports.ts";
import type { Backup } from "./backup.ts";
import { sweep } from "./leftovers.ts";
import { backupsIn } from "./list.ts";
import { checkRetention, type Retention, removeUnkept, type Series } from "./take.ts";

/** What becomes of a backup, and why. */
export interface Pruned {
  readonly id: string;
  readonly instance: string;
  readonly type: string;
  readonly created_at: string;
  readonly action: "keep" | "remove";
  readonly why: readonly string[];
}

export interface PruneFilter {
  /** A UUID, or the name that the instance had. */
  readonly instance: string | null;
  readonly type: string | null;
}

/**
 * Removes what the policy does not keep, each series (instance and type) by itself; a dry run only says what would go.
 * Damaged backups are neither counted nor removed. Throws "usage" for an empty policy or an unknown zone, "host" where
 * a target is not there.
 */
export async function pruneBackups(
  world: World,
  targets: readonly string[],
  retention: Retention,
  filter: PruneFilter,
  passphraseFile: string | null,
): Promise<Pruned[]> {
  checkRetention(retention);
  const pruned: Pruned[] = [];
  for (const target of targets) {
    await withLocks(world, [target], async (locks) => {
      await sweep(world, locks, target);
      for (const { name, ...series } of seriesIn(await backupsIn(world, target), filter)) {
        const verdicts = await removeUnkept(world, locks, { target, passphraseFile }, series, retention);
        for (const { id, createdAt, keep, why } of verdicts) {
          const action = keep ? "keep" : "remove";
          pruned.push({ id, instance: name, type: series.type, created_at: createdAt, action, why });
        }
      }
    });
  }
  return pruned;
}

/** `name`: the instance's, as its newest backup knows it. */
function seriesIn(all: readonly Backup[], { instance, type }: PruneFilter): (Series & { readonly name: string })[] {
  const found = new Map<string, Series & { readonly name: string }>();
  for (const { manifest } of all) {
    if (manifest === null || (type !== null && manifest.type !== type)) continue;
    const { id, name } = manifest.instance;
    if (instance === null || instance === id || instance === name)
      found.set(`${id} ${manifest.type}`, { instance: id, name, type: manifest.type });
  }
  return [...found.values()];
}
