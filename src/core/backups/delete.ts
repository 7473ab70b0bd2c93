/**
 * `backup delete`, and what rotation removes: a backup goes, and what stands on it takes over the data that it still
 * needs.
 */
import { EstratoError } from "../../errors.ts";
import { confirmed } from "../confirm.ts";
import { freedByDropping } from "../layers/freed.ts";
import { sizedAndDated } from "../loss-words.ts";
import { run } from "../operations/operation.ts";
import type { PlanView } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { type Backup, isDamaged, standingOnBackup } from "./backup.ts";
import { dropBookmark } from "./bookmarks.ts";
import { cutOffOf, endDeletion } from "./cut-off.ts";
import { type DeleteData, deleteBackupKind, deleteSteps, requireMerging } from "./delete-recovery.ts";
import { findBackup } from "./find.ts";
import { planKey, requireKey } from "./key.ts";
import { sweep } from "./leftovers.ts";
import { backupsIn } from "./list.ts";
import { planMerges } from "./merges.ts";
import { isBackupId } from "./parts.ts";
import { namesOf, requireTarget } from "./targets/identity.ts";
import { openTarget } from "./targets/open.ts";
import { damaged } from "./unmergeable.ts";
import { requireUnread } from "./uses.ts";

/**
 * Deletes one, anywhere in a chain; all others read the same afterwards. Asks first; null where the answer was no, or
 * when it is done. Throws "conflict" for a protected one and for one that an instance still reads from, "usage" where
 * an encrypted one must be merged and `passphraseFile` is null. Damaged ones go too, where nothing stands on them. One
 * whose deletion was cut off is one no more: that is ended, without a question.
 */
export async function deleteBackup(
  world: World,
  targets: readonly string[],
  word: string,
  passphraseFile: string | null,
): Promise<PlanView | null> {
  for (const target of isBackupId(word) ? targets : []) {
    // One that was being deleted: that is ended.
    const cutOff = await cutOffOf(world, target, word);
    if (cutOff !== null) return endDeletion(world, target, word, passphraseFile);
  }
  const first = await findBackup(world, targets, word);
  requireUnprotected(first);
  requireUnread(await backupsIn(world, first.target), first.id);
  const what = first.manifest === null ? first.id : labelOf(first);
  const { manifest } = first;
  const bytes = manifest?.disks.reduce((sum, { fileBytes }) => sum + fileBytes, 0) ?? null;
  const loses = [`backup ${what}${sizedAndDated(world, bytes, manifest?.createdAt ?? null)}`];
  const where = targets.length > 1 ? ` in ${first.target}` : "";
  if (!(await confirmed(world, { text: `Delete backup ${what}${where}?`, loses }))) return null;
  return withLocks(world, [first.target], async (locks) => {
    await sweep(world, locks, first.target);
    return deleteLocked(world, locks, first.target, first.id, passphraseFile);
  });
}

/**
 * The same without a question, under the target's lock. Throws Unmergeable where what builds on it cannot be merged;
 * nothing has changed then.
 */
export async function deleteLocked(
  world: World,
  locks: HeldLocks,
  target: string,
  id: string,
  passphraseFile: string | null,
): Promise<PlanView | null> {
  const all = await backupsIn(world, target);
  const backup = all.find((one) => one.id === id);
  if (backup === undefined) return null; // it has gone meanwhile
  requireUnprotected(backup);
  requireUnread(all, id);
  const plan = planDelete(all, backup);
  const merging = backup.manifest?.encrypted === true && plan.devices.length > 0;
  requireKey(merging, passphraseFile, `backup ${id}: what builds on it is merged, and`);
  const opened = openTarget(world, target);
  if (plan.devices.length > 0) requireMerging(opened);
  const state = await world.store.read();
  const marker = await requireTarget(world, state, target);
  const names = await namesOf(world, state, target);
  await opened.requireWritable(plan.child === null ? [id] : [id, plan.child]);
  const key = merging ? passphraseFile : null;
  const above = all.find((one) => one.id === plan.child)?.manifest ?? null;
  const { manifest } = backup;
  const merges =
    plan.devices.length === 0 || manifest === null || above === null
      ? []
      : await planMerges(world, opened, manifest, above, key);
  const data = { ...plan, marker, secret: await planKey(world, key) };
  const steps = deleteSteps(world, locks, data, passphraseFile, merges, state.storeId);
  // In its journal stands the target alone: where that is unmounted before recovery, the instance is not held up.
  const own = { ...locks, names: [target] };
  return run<DeleteData, null>(world, own, {
    kind: deleteBackupKind,
    target: labelOf(backup),
    data,
    steps,
    // Of this store alone, and no part of what the backup's own files take.
    follows: async () => ({
      ...(await freedByDropping(world, state, (draft) => dropBookmark(draft, id, names))),
      bytes: null,
    }),
    result: async () => null,
  });
}

/** web1, of 2026-11-21T03:00. */
function labelOf({ id, manifest }: Backup): string {
  return manifest === null ? id : `${id} of ${manifest.instance.name}, ${manifest.createdAt.slice(0, 16)}Z`;
}

function requireUnprotected({ id, manifest }: Backup): void {
  if (manifest?.protected !== true) return;
  throw new EstratoError("conflict", `backup ${id}: it is protected`, {
    hint: `Lift that first: estrato backup unprotect ${id}.`,
  });
}

function planDelete(
  all: readonly Backup[],
  { id, target, manifest, problem }: Backup,
): Omit<DeleteData, "marker" | "secret"> {
  const above = standingOnBackup(all, id);
  const [child, second] = above;
  if (child === undefined) return { id, target, child: null, devices: [] };
  if (manifest === null || problem !== null) throw damaged(id, child.id, id);
  if (child.manifest === null || isDamaged(child)) throw damaged(id, child.id, child.id);
  // Each is taken on the newest, so a second one can only have been put there by hand.
  if (second !== undefined) {
    throw new EstratoError("conflict", `backup ${id}: both ${child.id} and ${second.id} build on it`, {
      hint: "Delete one of them first.",
    });
  }
  const devices = child.manifest.disks.filter(({ parent }) => parent === id).map(({ device }) => device);
  return { id, target, child: child.id, devices };
}
