/** A backup, and then what its policy leaves of those before it. */

import { findInstance } from "../instances/find.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import type { PlanView } from "../operations/steps.ts";
import { isPlan } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { pruneAfterwards } from "../snapshots/set.ts";
import { type Backup, isDamaged, standingOnBackup } from "./backup.ts";
import { dropBookmarks } from "./bookmarks.ts";
import { type CreateBackupOptions, createBackupLocked } from "./create.ts";
import { deleteLocked } from "./delete.ts";
import { sweep } from "./leftovers.ts";
import { type BackupView, backupsIn } from "./list.ts";
import { checkPolicy, type KeptOfVolumes, type RetentionPolicy, retainOfVolumes, type Verdict } from "./retention.ts";
import { slotsOf } from "./slots.ts";
import { nameOfTarget, requireNoCopy } from "./targets/identity.ts";
import { Unmergeable } from "./unmergeable.ts";
import { readersOf } from "./uses.ts";

/** What stays, and in whose calendar (an IANA zone) hours, days, weeks, months and years are counted. */
export interface Retention {
  readonly policy: RetentionPolicy;
  readonly zone: string;
}

/**
 * Throws "usage" for an empty policy and for a zone that this machine does not know: before anything is taken or
 * removed.
 */
export function checkRetention({ policy, zone }: Retention): void {
  checkPolicy(policy);
  if (zone !== "UTC") slotsOf(0, zone); // which every machine knows
}

/** One that was taken, and the ids of those that rotation then removed, the oldest first. */
export type TakenBackup = BackupView & { readonly removed: readonly string[] };

/** What a new backup is put to before any older one goes for it. */
export interface Proof {
  /** For the plan. */
  readonly title: string;
  /** Throws where it does not hold. It takes the locks that it needs: none is held meanwhile. */
  readonly prove: (made: BackupView) => Promise<void>;
}

/**
 * Takes a backup and, once it is whole and proven, removes what the policy does not keep of the same instance, type and
 * target. Throws what `createBackupLocked` throws, and what `proof` does: nothing is removed then. Where removing fails
 * the backup is there all the same. Snapshots that have expired go too.
 */
export async function backupAndRotate(
  world: World,
  wanted: CreateBackupOptions,
  policy: RetentionPolicy,
  calendar: string | null = null, // its zone; null: the host's
  proof: Proof | null = null,
): Promise<TakenBackup | PlanView> {
  // Who only counts asks no calendar, which takes Node a while to be loaded.
  const zone = calendar ?? ("rotation" in policy ? "UTC" : await world.host.timeZone());
  checkRetention({ policy, zone });
  const options = { ...wanted, target: await nameOfTarget(world, wanted.target) };
  await requireNoCopy(world, options.target);
  const { status } = await findInstance(world, options.instance);
  const series = { instance: status.uuid, type: options.type };
  const { target, passphraseFile } = options;
  const rotate = async (locks: HeldLocks, made: BackupView): Promise<TakenBackup> => {
    const place = { target, passphraseFile };
    const { verdicts, failure } = await removeUnkept(world, locks, place, series, { policy, zone });
    const removed = verdicts.flatMap(({ id, keep }) => (keep ? [] : [id])).reverse();
    if (failure === null) return { ...made, removed };
    const gone = removed.length === 0 ? "" : `, removed: ${removed.join(", ")}`;
    world.report.note(`backup ${made.id} is there, and not all could be removed that is to go${gone}`);
    throw failure;
  };
  let taken = await withLocks(world, [status.uuid, target], async (locks) => {
    await sweep(world, locks, target);
    const made = await createBackupLocked(world, locks, status.uuid, options);
    if (isPlan(made)) {
      // What is removed then is nobody's bookmark any more: the new one has that.
      if (world.rehearsal === true) await world.store.update((draft) => dropBookmarks(draft, status.uuid, target));
      const proving = proof === null ? [] : [{ title: proof.title, commands: [] }];
      const proven = { ...made, steps: [...made.steps, ...proving] };
      return withRotation(world, locks, proven, options, await goingAfter(world, options, series, { policy, zone }));
    }
    return proof === null ? rotate(locks, made) : { ...made, removed: [] };
  });
  if (proof !== null && !isPlan(taken)) {
    const made = taken;
    await proof.prove(made); // it may take hours: neither the instance nor the target is held for them
    taken = await withLocks(world, [target], (locks) => rotate(locks, made));
  }
  if (!world.dryRun) await pruneAfterwards(world);
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

/** What became of a series. */
export interface Rotated {
  /**
   * The newest first. In a dry run, in which nothing goes, with the plans of those that would. One that could not be
   * removed is kept, and so are those that were to go after it.
   */
  readonly verdicts: readonly (Verdict & { readonly plan?: PlanView | null })[];
  /** The error of the one that could not be removed; null where all went that was to go. */
  readonly failure: Error | null;
}

/**
 * Under the target's lock: what the policy does not keep goes, the oldest first. What is in the way of one (an instance
 * reads from it, or what builds on it cannot be merged with it) keeps it this time, which a note says: the night must
 * not fail for it. Throws nothing for what could not be removed: that is in the answer, beside what was. `known`: what
 * lies in the target, where that was read under this lock.
 */
export async function removeUnkept(
  world: World,
  locks: HeldLocks,
  place: Place,
  series: Series,
  { policy, zone }: Retention,
  known?: readonly Backup[],
): Promise<Rotated> {
  const all = known ?? (await backupsIn(world, place.target));
  const due = retainOfVolumes(inSeries(all, series), policy, zone, world.clock.now());
  const verdicts: (Verdict & { readonly plan?: PlanView | null })[] = [];
  let failure: Error | null = null;
  for (const one of due.toReversed()) {
    const planned = keptInUse(all, one, place.passphraseFile);
    const tried: Tried =
      failure === null ? await removeDue(world, locks, place, planned) : notRemoved(planned, failure);
    failure = tried.failure;
    const { id, keep, why } = tried.verdict;
    if (keep && !one.keep && (planned.keep || failure === null))
      world.report.note(`backup ${id}: kept this time, ${why.join(", ")}`);
    verdicts.unshift(world.dryRun ? { ...tried.verdict, plan: tried.plan } : tried.verdict);
  }
  return { verdicts, failure };
}

/** What became of one that was due, or kept. */
interface Tried {
  readonly verdict: Verdict;
  /** Of a dry run. */
  readonly plan: PlanView | null;
  /** Why it could not be removed, where nothing of that was known. */
  readonly failure: Error | null;
}

/** It goes where nothing keeps it, and what builds on it can be merged. */
async function removeDue(
  world: World,
  locks: HeldLocks,
  { target, passphraseFile }: Place,
  verdict: Verdict,
): Promise<Tried> {
  if (verdict.keep) return { verdict, plan: null, failure: null };
  try {
    return { verdict, plan: await deleteLocked(world, locks, target, verdict.id, passphraseFile), failure: null };
  } catch (error) {
    if (error instanceof Unmergeable) {
      return { verdict: { ...verdict, keep: true, why: [error.why] }, plan: null, failure: null };
    }
    if (world.signal.aborted || !(error instanceof Error)) throw error;
    return notRemoved(verdict, error);
  }
}

function notRemoved(verdict: Verdict, failure: Error): Tried {
  return {
    verdict: verdict.keep ? verdict : { ...verdict, keep: true, why: ["it could not be removed"] },
    plan: null,
    failure,
  };
}

function keptInUse(all: readonly Backup[], verdict: Verdict, passphraseFile: string | null): Verdict {
  const why = verdict.keep ? null : inTheWay(all, verdict.id, passphraseFile);
  return why === null ? verdict : { ...verdict, keep: true, why: [why] };
}

/** For what is known ahead a deletion would refuse; null where nothing is. */
function inTheWay(all: readonly Backup[], id: string, passphraseFile: string | null): string | null {
  const readers = readersOf(all, id);
  if (readers.length > 0) return `in use: ${readers.join(", ")}`;
  const above = standingOnBackup(all, id);
  const damaged = above.find(isDamaged);
  if (damaged !== undefined) return `${damaged.id}, which is damaged, builds on it`;
  const [one, second] = above;
  if (one === undefined) return null;
  if (second !== undefined) return `both ${one.id} and ${second.id} build on it`;
  const isSealed = all.find((backup) => backup.id === id)?.manifest?.encrypted === true;
  return isSealed && passphraseFile === null ? `encrypted: ${one.id} builds on it, and no passphrase is given` : null;
}

/** What one more would send away, the newest first. */
async function goingAfter(
  world: World,
  { target, disks, passphraseFile }: Pick<CreateBackupOptions, "target" | "disks" | "passphraseFile">,
  series: Series,
  { policy, zone }: Retention,
): Promise<Verdict[]> {
  const now = world.clock.now();
  const all = await backupsIn(world, target);
  const attached = [...volumesOf(await world.store.read(), series.instance)];
  const volumes = attached.flatMap(([device, { id }]) => (disks.length === 0 || disks.includes(device) ? [id] : []));
  const next = { id: "", createdAt: now.toISOString(), protected: false, volumes };
  const due = retainOfVolumes([...inSeries(all, series), next], policy, zone, now);
  const verdicts = due.filter(({ id }) => id !== next.id).map((one) => keptInUse(all, one, passphraseFile));
  return verdicts.filter(({ keep }) => !keep);
}

/** The plan of a backup with that of what goes when it is there, the oldest first. */
async function withRotation(
  world: World,
  locks: HeldLocks,
  taken: PlanView,
  place: Place,
  going: readonly Verdict[],
): Promise<PlanView> {
  const steps = [...taken.steps];
  const notes: string[] = [];
  for (const one of going.toReversed()) {
    const { verdict, plan, failure } = await removeDue(world, locks, place, one);
    if (failure !== null) throw failure;
    const { id, keep, why } = verdict;
    steps.push(...(plan?.steps ?? []));
    notes.unshift(`Backup ${id} will ${keep ? "be kept this time" : "go"}: ${why.join(", ")}.`);
  }
  return { ...taken, steps, notes: [...taken.notes, ...notes] };
}

/** Those that count: whole ones. */
function inSeries(all: readonly Backup[], { instance, type }: Series): KeptOfVolumes[] {
  return all.flatMap(({ id, manifest, problem }) =>
    manifest !== null && problem === null && manifest.instance.id === instance && manifest.type === type
      ? [
          {
            id,
            createdAt: manifest.createdAt,
            protected: manifest.protected,
            volumes: manifest.disks.map(({ volume }) => volume),
          },
        ]
      : [],
  );
}
