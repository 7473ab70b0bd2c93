/** A guest with a folder for its backups, and backups of it made one after the other. */
import type { CreateBackupOptions } from "../../../../src/core/backups/create.ts";
import type { BackupView } from "../../../../src/core/backups/list.ts";
import { backupAndRotate } from "../../../../src/core/backups/take.ts";
import { type Bed, command, type GuestSpec, type Process, TARGET, virsh, withGuest } from "../world.ts";

export async function withTarget(spec: GuestSpec = {}): Promise<Bed> {
  const on = withGuest(spec);
  await virsh(on, { do: "make-folder", path: TARGET });
  return on;
}

export function wanted(change: Partial<CreateBackupOptions> = {}): CreateBackupOptions {
  return {
    instance: "web1",
    target: TARGET,
    name: null,
    type: "manual",
    incremental: true,
    compress: false,
    quiesce: "off",
    disks: [],
    passphraseFile: null,
    ...change,
  };
}

export function backup(world: Process, change: Partial<CreateBackupOptions> = {}, rotation = 9) {
  return backupAndRotate(world, wanted(change), { rotation });
}

/** In a process of its own, an hour after whatever was before. */
export async function night(on: Bed, change: Partial<CreateBackupOptions> = {}, rotation = 9): Promise<BackupView> {
  on.clock.advance(3_600_000);
  return (await backup(command(on), change, rotation)) as BackupView;
}
