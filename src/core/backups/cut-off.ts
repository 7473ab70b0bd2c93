/**
 * Backups whose deletion was cut off and which no journal ends: its entry, or the whole store, is lost. What stands on
 * them reads the same, but nothing is made of it any more. Their void note says all that ending it takes.
 */
import * as v from "valibot";
import type { State } from "../model/state.ts";
import { run } from "../operations/operation.ts";
import type { PlanView } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { type DeleteData, deleteBackupKind, recoverDeleteBackup } from "./delete-recovery.ts";
import { giveKey, planKey, requireKey, takeKey } from "./key.ts";
import { readManifest } from "./manifest.ts";
import { isBackupId, VOID_NOTE } from "./parts.ts";
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
 * passphrase is needed and none is named. A dry run returns the plan.
 */
export function endDeletion(
  world: World,
  target: string,
  id: string,
  passphraseFile: string | null,
): Promise<PlanView | null> {
  return withLocks(world, [target], (locks) => endLocked(world, locks, target, id, passphraseFile));
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
  const secret = encrypted ? await planKey(world, passphraseFile) : null;
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
