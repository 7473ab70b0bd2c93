/** From a target's name to what holds its backups: the only place that knows which kinds of targets there are. */
import type { World } from "../../ports.ts";
import { folderTarget } from "./folder/target.ts";
import type { BackupTarget } from "./target.ts";

/**
 * `name`: the absolute path of a folder. Nothing is looked at yet: whether it is there tells `requireTarget`
 * (identity.ts).
 */
export function openTarget(world: World, name: string): BackupTarget {
  return folderTarget(world, name);
}

/** Is what a lock is called by a target's name? All others are ids. */
export function isTargetName(lock: string): boolean {
  return lock.startsWith("/");
}
