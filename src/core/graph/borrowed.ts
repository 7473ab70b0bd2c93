/**
 * Layers that are not ours: how their lender is told that we use them, and those among them that are a backup's, which
 * are only there until they are pulled. What is another user's is pulled in only where that is asked for.
 */
import type { Action } from "../model/action.ts";
import type { Layer, State } from "../model/state.ts";
import { chainOrNull } from "./references.ts";

export type Borrowed = NonNullable<Layer["borrowed"]>;

/** A borrowed layer that stands for a disk of a backup. */
export interface BorrowedBackup extends Layer {
  readonly borrowed: Borrowed & { readonly backup: NonNullable<Borrowed["backup"]> };
}

export function isBorrowedBackup(layer: Layer | null | undefined): layer is BorrowedBackup {
  return layer?.borrowed?.backup !== undefined;
}

/** What a borrowed layer is, in words for people: "backup bak-…", "image golden". */
export function lentWords({ name, backup }: Borrowed): string {
  return backup === undefined ? `image ${name}` : name;
}

/** What is not ours at the bottom of a chain; null where all of it is. */
export function borrowedBelow(state: State, layer: string): Layer | null {
  const bottom = state.layers[chainOrNull(state, layer)?.at(-1) ?? ""];
  return bottom?.borrowed === undefined ? null : bottom;
}

/** What stands for a backup at the bottom of a chain; null where another layer is there. */
export function borrowedBackupBelow(state: State, layer: string): BorrowedBackup | null {
  const bottom = borrowedBelow(state, layer);
  return isBorrowedBackup(bottom) ? bottom : null;
}

/** What the disks of an instance and of its snapshots still read from backups, each once. */
export function borrowedBackupsOf(state: State, uuid: string): BorrowedBackup[] {
  const own = ({ instance }: { readonly instance: string | null }) => instance === uuid;
  const tops = [
    ...Object.values(state.volumes).flatMap((volume) => (own(volume) ? [volume.head] : [])),
    ...Object.values(state.snapshots).flatMap((one) => (own(one) ? one.disks.map(({ layer }) => layer) : [])),
  ];
  const backups = tops.flatMap((top) => borrowedBackupBelow(state, top) ?? []);
  return [...new Map(backups.map((layer) => [layer.id, layer])).values()];
}

/** Tells the lender that we use what is his. Idempotent. */
export function markBorrowed({ marker: path, backup }: Borrowed): Action {
  return backup === undefined ? { do: "mark-use", path, on: true } : { do: "write-file", path, text: backup.mark };
}

/**
 * Tells him that we no longer do. Of a backup the files go back to whose they were: libvirt leaves what a guest stood
 * on to QEMU's user (measured on 9.0). What is not there any more, or out of our reach (a target that has become
 * read-only), is passed over: doctor finds it when it is back. Idempotent.
 */
export function unmarkBorrowed({ marker: path, backup }: Borrowed): Action[] {
  if (backup === undefined) return [{ do: "mark-use", path, on: false }];
  const owners = backup.files.map((file): Action => ({ do: "set-owner", path: file, ...backup.owner, ofLink: true }));
  return [...owners, { do: "mark-use", path, on: false }];
}
