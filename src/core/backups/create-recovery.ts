/** A backup that was killed, or that failed: recorded where it got its name, else nothing of it stays. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { answerOf } from "../../system-answer.ts";
import { snapshotThrough } from "../images/create-recovery.ts";
import type { Action } from "../model/action.ts";
import type { Snapshot, State } from "../model/state.ts";
import { perform } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { dropSnapshots, unlinkKept } from "../snapshots/drop.ts";
import { dropBookmarks } from "./bookmarks.ts";
import { dropKey } from "./key.ts";
import type { Manifest } from "./manifest.ts";
import { contentSchema } from "./manifest.ts";
import { openTarget } from "./targets/open.ts";
import type { BackupTarget } from "./targets/target.ts";

/** What the journal remembers of a backup under way. */
export interface BackupData {
  readonly id: string;
  readonly target: string;
  /** Where it is taken until it is whole: the name of an unfinished backup in the target. */
  readonly part: string;
  /** The snapshot that it is taken through, and that goes when it is done. */
  readonly through: { readonly instance: string; readonly snapshot: string };
  /**
   * libvirt's secret for the time of the backup, which holds the passphrase of what is written; null: not encrypted.
   */
  readonly secret: string | null;
  /** What its copies take at most: for who goes along. */
  readonly bytes?: number | undefined;
  readonly content: Pick<Manifest, "name" | "type" | "instance" | "identity" | "schedule" | "owner" | "compressed">;
}

export const createBackupKind: Kind<BackupData> = {
  name: "backup.create",
  version: 2,
  data: v.object({
    id: v.string(),
    target: v.string(),
    part: v.string(),
    through: v.object({ instance: v.string(), snapshot: v.string() }),
    secret: v.nullable(v.string()),
    bytes: v.optional(v.number()),
    content: contentSchema,
  }),
  older: { 1: (data) => data }, // without the identity, which its manifest then lacks
  recover: recoverCreateBackup,
};

/** Throws "integrity" where it has gone: its layers cannot be relied on any more. */
export function snapshotOf(state: State, data: BackupData): Snapshot {
  const snapshot = snapshotThrough(state, data.through);
  if (snapshot === null)
    throw new EstratoError("integrity", `backup ${data.id}: the snapshot it is taken from has gone`);
  return snapshot;
}

/**
 * In one transaction the bookmark takes over the snapshot's layers, and the one before it goes; the snapshot's files
 * before that. Repeatable.
 */
export async function recordBackup(world: World, data: BackupData): Promise<void> {
  const { id, target, through } = data;
  // Once its record is gone, nothing would know of them; the backup has copies of its own.
  const snapshot = snapshotOf(await world.store.read(), data);
  for (const action of unlinkKept(world, [snapshot])) await world.host.perform(action);
  await world.store.update((draft) => {
    const { disks, createdAt } = snapshotOf(draft, data);
    dropBookmarks(draft, through.instance, target);
    draft.bookmarks[id] = { id, instance: through.instance, target, disks, createdAt };
    dropSnapshots(draft, [snapshot.id]);
  });
}

/**
 * Its name decides: it gets it when all in it is on the disk. Repeatable. A target that is not there, or fails, keeps
 * no instance from working: what was begun in it is removed when it is back (leftovers.ts).
 */
async function recoverCreateBackup(world: World, locks: HeldLocks, data: BackupData): Promise<Outcome> {
  await perform(world, locks, dropKey(data.secret));
  const state = await world.store.read();
  if (state.bookmarks[data.id] !== undefined) return "forward";
  const snapshot = snapshotThrough(state, data.through);
  const target = openTarget(world, data.target);
  if (snapshot !== null && (await hasName(target, data.id))) {
    await recordBackup(world, data);
    return "forward";
  }
  const actions: Action[] = snapshot === null ? [] : unlinkKept(world, [snapshot]);
  // Its files first: once its record is gone, nothing would know of them.
  await perform(world, locks, actions);
  await discard(world, locks, target, data.part);
  if (snapshot !== null) await world.store.update((draft) => dropSnapshots(draft, [snapshot.id]));
  return "back";
}

/** Where nobody can see it, it is as where the target is not there: whole or not, none that builds on it is taken. */
async function hasName(target: BackupTarget, id: string): Promise<boolean> {
  try {
    return await target.backup(id).isThere();
  } catch (error) {
    if (!(error instanceof EstratoError)) throw error;
    return false;
  }
}

/** A disk that has become read-only, or is gone while it is mounted, would hold the instance up. */
async function discard(world: World, locks: HeldLocks, target: BackupTarget, part: string): Promise<void> {
  try {
    await perform(world, locks, target.unfinished(part).discard());
  } catch (error) {
    const answer = answerOf(error) ?? error;
    if (!(answer instanceof EstratoError) || answer.code === "interrupted") throw error;
    world.report.note(`${part}: left there (${answer.message}): what changes the target next removes it`);
  }
}
