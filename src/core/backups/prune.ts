/**
 * `backup prune`: a policy laid on all series of backups in some targets, with the reason for each that stays or goes.
 */
import type { PlanView } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { World } from "../ports.ts";
import type { Backup } from "./backup.ts";
import { sweep } from "./leftovers.ts";
import { backupsIn } from "./list.ts";
import { checkRetention, type Place, type Retention, removeUnkept, type Series } from "./take.ts";
import { instanceMeant, noteFormer } from "./whose.ts";

/** What becomes of a backup, and why. */
export interface Pruned {
  readonly id: string;
  readonly instance: string;
  readonly type: string;
  readonly created_at: string;
  readonly action: "keep" | "remove";
  readonly why: readonly string[];
  /** In a dry run, of what would go: how. */
  readonly plan: PlanView | null;
}

export interface PruneFilter {
  /** A UUID, or the name that the instance has (see whose.ts). */
  readonly instance: string | null;
  readonly type: string | null;
}

/**
 * Removes what the policy does not keep, each series (instance and type) by itself; a dry run only says what would go,
 * and how. Damaged backups are neither counted nor removed. Throws "usage" for an empty policy or an unknown zone,
 * "not_found" where the filter's instance is ambiguous, "host" where a target is not there: before anything goes.
 * `failed`: is told what keeps a target, or a series of it, from being pruned, and the others are all the same; where
 * it throws, that ends it.
 */
export async function pruneBackups(
  world: World,
  targets: readonly string[],
  retention: Retention,
  filter: PruneFilter,
  passphraseFile: string | null,
  failed: (error: Error) => void = throwIt,
): Promise<Pruned[]> {
  checkRetention(retention);
  const only = await chosenIn(world, targets, filter);
  const pruned: Pruned[] = [];
  if (only === null) return pruned;
  for (const target of targets) {
    try {
      await pruneTarget(world, { target, passphraseFile }, retention, only, { pruned, failed });
    } catch (error) {
      if (world.signal.aborted || !(error instanceof Error)) throw error;
      failed(error);
    }
  }
  return pruned;
}

function throwIt(error: Error): void {
  throw error;
}

/** What has been done so far is in `pruned`, also where it throws. */
async function pruneTarget(
  world: World,
  place: Place,
  retention: Retention,
  only: PruneFilter,
  { pruned, failed }: { readonly pruned: Pruned[]; readonly failed: (error: Error) => void },
): Promise<void> {
  const { target } = place;
  await withLocks(world, [target], async (locks) => {
    await sweep(world, locks, target);
    let all = await backupsIn(world, target);
    for (const { name, ...series } of seriesIn(all, only)) {
      const { verdicts, failure } = await removeUnkept(world, locks, place, series, retention, all);
      for (const { id, createdAt, keep, why, plan = null } of verdicts) {
        const action = keep ? "keep" : "remove";
        pruned.push({ id, instance: name, type: series.type, created_at: createdAt, action, why, plan });
      }
      if (failure !== null) failed(failure);
      if (!world.dryRun && verdicts.some(({ keep }) => !keep)) all = await backupsIn(world, target);
    }
  });
}

/** With the instance by its UUID; null where there is none of it. Looked for in all targets, before anything goes. */
async function chosenIn(
  world: World,
  targets: readonly string[],
  { instance, type }: PruneFilter,
): Promise<PruneFilter | null> {
  const all: Backup[] = [];
  for (const target of targets) all.push(...(await backupsIn(world, target)));
  if (instance === null) return { instance, type };
  const id = await instanceMeant(world, all, instance);
  if (id !== null && all.some(({ manifest }) => manifest?.instance.id === id)) return { instance: id, type };
  noteFormer(world, all, instance);
  return null;
}

/** `instance`: a UUID. `name`: what each instance is called. */
function seriesIn(all: readonly Backup[], { instance, type }: PruneFilter): (Series & { readonly name: string })[] {
  const found = new Map<string, Series & { readonly name: string }>();
  for (const { manifest, instanceName } of all) {
    if (manifest === null || (type !== null && manifest.type !== type)) continue;
    const { id } = manifest.instance;
    if (instance === null || instance === id)
      found.set(`${id} ${manifest.type}`, { instance: id, name: instanceName ?? id, type: manifest.type });
  }
  return [...found.values()];
}
