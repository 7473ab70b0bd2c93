/** Finds operations that never ended (their owner is dead: its locks are free) and hands each to the code that knows its kind. */
import { EstratoError } from "../errors.ts";
import { joined, takeLocks } from "./locks.ts";
import type { JournalEntry } from "./model/journal.ts";
import type { Outcome, Recover } from "./operation.ts";
import type { HeldLocks, World } from "./ports.ts";

/** Every kind of operation, loaded only when one of it is pending. */
const kinds: Readonly<Record<string, () => Promise<Recover>>> = {
  "backup.boot": async () => (await import("./backups/boot.ts")).recoverBoot,
  "backup.create": async () => (await import("./backups/create-recovery.ts")).recoverCreateBackup,
  "backup.delete": async () => (await import("./backups/delete-recovery.ts")).recoverDeleteBackup,
  "backup.restore": async () => (await import("./backups/restore.ts")).recoverRestore,
  "image.create": async () => (await import("./images/create-recovery.ts")).recoverCreateImage,
  "image.delete": async () => (await import("./images/delete.ts")).recoverDeleteImage,
  "image.save": async () => (await import("./images/save-recovery.ts")).recoverSave,
  "image.share": async () => (await import("./sharing/share.ts")).recoverShare,
  "image.unshare": async () => (await import("./sharing/share.ts")).recoverShare,
  "instance.create": async () => (await import("./instances/create-recovery.ts")).recoverInstanceCreate,
  "instance.delete": async () => (await import("./instances/delete.ts")).recoverInstanceDelete,
  "instance.offload": async () => (await import("./shelving/offload.ts")).recoverOffload,
  "instance.resize": async () => (await import("./instances/resize-recovery.ts")).recoverResize,
  "instance.rename": async () => (await import("./instances/set.ts")).recoverRename,
  "instance.shelve": async () => (await import("./shelving/shelve-recovery.ts")).recoverShelve,
  "instance.unshelve": async () => (await import("./shelving/unshelve-recovery.ts")).recoverUnshelve,
  "layer.merge": async () => (await import("./layers/merge.ts")).recoverMerge,
  "schedule.create": async () => (await import("./schedules/create.ts")).recoverCreateSchedule,
  "schedule.delete": async () => (await import("./schedules/delete.ts")).recoverDeleteSchedule,
  "snapshot.create": async () => (await import("./snapshots/create-recovery.ts")).recoverCreate,
  "snapshot.revert": async () => (await import("./snapshots/revert-recovery.ts")).recoverRevert,
  "snapshot.revert-volume": async () => (await import("./snapshots/revert-volume.ts")).recoverVolumeRevert,
  "snapshot.delete": async () => (await import("./snapshots/delete.ts")).recoverDelete,
  "volume.attach": async () => (await import("./volumes/attach.ts")).recoverAttach,
  "volume.create": async () => (await import("./volumes/create.ts")).recoverVolumeCreate,
  "volume.delete": async () => (await import("./volumes/delete.ts")).recoverVolumeDelete,
  "volume.detach": async () => (await import("./volumes/detach.ts")).recoverDetach,
  "volume.resize": async () => (await import("./volumes/resize.ts")).recoverResize,
};

/** Pending operations whose locks overlap with `names`, the newest first: a merge that a deletion began ends before the deletion. */
async function pending(world: World): Promise<JournalEntry[]> {
  return (await world.store.journal.list()).reverse();
}

async function recoverEntry(world: World, locks: HeldLocks, entry: JournalEntry): Promise<void> {
  const load = kinds[entry.kind];
  if (load === undefined) {
    throw new EstratoError("integrity", `journal entry ${entry.id}: unknown operation "${entry.kind}"`, {
      hint: "It was written by another version of estrato: run that version's next command.",
    });
  }
  await requireNoneAstray(world, entry);
  const recover = await load();
  const outcome = await recover(world, locks, entry);
  await world.store.journal.close(entry.id);
  world.report.note(`${entry.command}: had not ended; ${RECOVERED[outcome]}`);
}

/** What recovery finds of a guest that is off is true only where it is. */
async function requireNoneAstray(world: World, entry: JournalEntry): Promise<void> {
  const { instances } = await world.store.read();
  const names = entry.locks.filter((name) => instances[name] !== undefined);
  const statuses = await world.host.domainStatuses(names);
  await (await import("./instances/find.ts")).requireNoneLost(world, [...statuses.values()]);
}

const RECOVERED: Readonly<Record<Outcome, string>> = {
  forward: "finished now",
  back: "undone",
  halfway: "left half-way: the same command goes on with it",
};

/**
 * Recovers what overlaps with locks that we hold: their owners are dead, since a living one would hold them.
 * Throws what recovery throws: such an instance cannot be worked on.
 */
export async function recoverHeld(world: World, held: HeldLocks): Promise<void> {
  for (const entry of await pending(world)) {
    if (!entry.locks.some((name) => held.names.includes(name))) continue;
    const missing = entry.locks.filter((name) => !held.names.includes(name));
    const extra = missing.length === 0 ? null : await takeLocks(world, missing, world.lockTimeoutMs);
    try {
      await recoverEntry(world, extra === null ? held : joined(held, extra), entry);
    } finally {
      await extra?.release();
    }
  }
}

/**
 * Recovers everything whose owner is dead. What is locked is somebody's living work and is left alone;
 * what fails is named in a note (or in `failures`, where handed in) and stays for the next time.
 */
export async function recoverAll(world: World, failures?: { entry: JournalEntry; error: unknown }[]): Promise<void> {
  for (const entry of await pending(world)) {
    let locks: HeldLocks;
    try {
      locks = await takeLocks(world, entry.locks, 0);
    } catch (error) {
      if (error instanceof EstratoError && error.code === "conflict") continue;
      throw error;
    }
    try {
      // Read again under the lock: its owner may have ended it between our look and our lock.
      if (!(await world.store.journal.list()).some((other) => other.id === entry.id)) continue;
      await recoverEntry(world, locks, entry);
    } catch (error) {
      if (failures !== undefined) failures.push({ entry, error });
      else
        world.report.note(
          `${entry.command}: had not ended and cannot be recovered yet: ${error instanceof Error ? error.message : String(error)}`,
        );
    } finally {
      await locks.release();
    }
  }
}
