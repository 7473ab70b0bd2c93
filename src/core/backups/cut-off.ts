/**
 * Backups whose deletion was cut off and which no journal ends: its entry, or the whole store, is lost. What stands on
 * them reads the same, but nothing is made of it any more. Their void note says all that ending it takes.
 */
import * as v from "valibot";
import type { State } from "../model/state.ts";
import { takeLocks } from "../operations/locks.ts";
import { run } from "../operations/operation.ts";
import { type PlanView, perform } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { type DeleteData, deleteBackupKind, recoverDeleteBackup } from "./delete-recovery.ts";
import { giveKey, keyAction, opening, planKey, requireKey, takeKey } from "./key.ts";
import { readManifest } from "./manifest.ts";
import { diskFile, isBackupId, VOID_NOTE } from "./parts.ts";
import { requireTarget } from "./targets/identity.ts";
import { openTarget } from "./targets/open.ts";

export interface CutOff {
  readonly id: string;
  readonly target: string;
  /** What stands on it, and with which disks that are not merged yet. */
  readonly child: string | null;
  readonly devices: readonly string[];
  /** Is a passphrase needed for that? */
  readonly encrypted: boolean;
  /** The id of the store that began it; null where the note is of before notes said so. */
  readonly store: string | null;
}

/** A note lies where others may write: what it names is looked for in the manifests, too. */
const noteSchema = v.object({
  id: v.string(),
  child: v.nullable(v.pipe(v.string(), v.check(isBackupId))),
  devices: v.array(v.pipe(v.string(), v.regex(/^[a-z]{2,8}$/))),
  store: v.optional(v.nullable(v.string()), null),
});

/** Null where it is not being deleted, or nobody can read how that is to be ended. */
export async function cutOffOf(world: World, target: string, id: string): Promise<CutOff | null> {
  const opened = openTarget(world, target);
  const text = await opened.backup(id).readText(VOID_NOTE);
  const note = text === null ? null : parse(text);
  if (note === null || note.id !== id) return null;
  const { child, store } = note;
  if (child === null) return { id, target, child, devices: [], encrypted: false, store };
  const above = await readManifest(opened.backup(child)).catch(() => null);
  if (above === null) return null;
  const devices = above.disks.filter((disk) => disk.parent === id && note.devices.includes(disk.device));
  const names = devices.map(({ device }) => device);
  return { id, target, child, devices: names, encrypted: above.encrypted && names.length > 0, store };
}

function parse(text: string): v.InferOutput<typeof noteSchema> | null {
  try {
    return v.parse(noteSchema, JSON.parse(text));
  } catch {
    return null;
  }
}

/** Those that this store has begun, as far as the notes say, and that no entry of its journal ends. */
export async function cutOffIn(world: World, state: State, target: string): Promise<CutOff[]> {
  const pending = (await world.store.journal.list()).map(({ data }) => (data as Partial<DeleteData>).id);
  const found: CutOff[] = [];
  for (const id of await openTarget(world, target).backupIds()) {
    const one = pending.includes(id) ? null : await cutOffOf(world, target, id);
    if (one !== null && (one.store === null || one.store === state.storeId)) found.push(one);
  }
  return found;
}

/**
 * Ends the deletion `id`, whichever store began it; what stands on it is then as any other. Throws "usage" where a
 * passphrase is needed and none is named, Unmergeable where it is another one. A dry run returns the plan.
 */
export async function endDeletion(
  world: World,
  target: string,
  id: string,
  passphraseFile: string | null,
): Promise<PlanView | null> {
  if (!world.dryRun && passphraseFile !== null) await renewSecret(world, target, id, passphraseFile);
  return withLocks(world, [target], (locks) => endLocked(world, locks, target, id, passphraseFile));
}

/**
 * An entry of this store's journal may hold a secret that opens nothing, and then it stands before all that is done in
 * that target: the secret gets the passphrase that does.
 */
async function renewSecret(world: World, target: string, id: string, passphraseFile: string): Promise<void> {
  const open = async () =>
    (await world.store.journal.list()).find(({ kind, data }) => {
      const one = data as Partial<DeleteData>;
      return kind === deleteBackupKind.name && one.id === id && one.target === target;
    });
  const entry = await open();
  if (entry === undefined) return;
  const locks = await takeLocks(world, entry.locks, world.lockTimeoutMs);
  try {
    const secret = ((await open())?.data as DeleteData | undefined)?.secret ?? null;
    const found = secret === null ? null : await cutOffOf(world, target, id);
    if (secret === null || found === null) return;
    await requireOpens(world, found, passphraseFile);
    await perform(world, locks, [keyAction(world, secret, passphraseFile, id)]);
  } finally {
    await locks.release();
  }
}

/** What takes the data in may be half written, or moved already: what is merged is asked. */
async function requireOpens(world: World, { id, target, ...found }: CutOff, passphraseFile: string): Promise<void> {
  const { child, devices, encrypted } = found;
  if (child === null || !encrypted) return;
  const above = openTarget(world, target).backup(child);
  for (const device of devices) {
    const image = { ...above.image(diskFile(device)), passphraseFile };
    await opening(id, passphraseFile, world.host.ownExtents(image));
  }
}

/** The same under the target's lock. */
export async function endLocked(
  world: World,
  locks: HeldLocks,
  target: string,
  id: string,
  passphraseFile: string | null,
): Promise<PlanView | null> {
  const found = await cutOffOf(world, target, id);
  if (found === null) return null; // it has been ended meanwhile
  requireKey(found.encrypted, passphraseFile, `backup ${id}: what builds on it is merged, and`);
  const marker = await requireTarget(world, await world.store.read(), target);
  const { child, devices, encrypted } = found;
  await openTarget(world, target).requireWritable(child === null ? [id] : [id, child]);
  const secret = encrypted ? await planKey(world, passphraseFile) : null;
  if (passphraseFile !== null) await requireOpens(world, found, passphraseFile);
  const data: DeleteData = { id, target, marker, child, devices, secret };
  return run<DeleteData, null>(
    world,
    { ...locks, names: [target] },
    {
      kind: deleteBackupKind,
      target: id,
      data,
      steps: [
        ...giveKey(world, secret, passphraseFile, id),
        {
          id: "end-deletion",
          title: child === null ? "Remove what is left of it" : `Bring ${child}, which builds on it, to its end`,
          run: async () => void (await recoverDeleteBackup(world, locks, data)),
        },
        ...takeKey(secret),
      ],
      result: async () => null,
    },
  );
}
