/**
 * Where things lie in a folder that is a target: a folder for each backup, flat files in it. No other file knows these
 * paths.
 */
import { isBackupId } from "../../parts.ts";

/** Marks a folder as a target, so that an empty mount point is not taken for one. */
export const markerPath = (target: string): string => `${target}/estrato-target.json`;

/** The folder of a backup. A sibling of all others, so that what stands on them can say so by a relative name. */
export const backupFolder = (target: string, id: string): string => `${target}/${id}`;

/**
 * Its name while it is being taken: no backup yet. It says whose it is, so that no store removes what another is
 * writing.
 */
export const unfinishedFolder = (target: string, id: string, store: string): string => `${target}/${id}.${store}.part`;

/** Is it one that this store has begun? */
export function isUnfinishedOf(name: string, store: string): boolean {
  return isBackupId(name.slice(0, name.indexOf("."))) && name.endsWith(`.${store}.part`);
}

/** What a disk's header says of the file it stands on: relative, so that a target can be moved as a whole. */
export const relativeBacking = (parent: string, file: string): string => `../${parent}/${file}`;

/** The backup and the name of a file in it. */
export function splitPath(path: string): { readonly id: string; readonly file: string } {
  const [file = "", id = ""] = path.split("/").reverse();
  return { id, file };
}
