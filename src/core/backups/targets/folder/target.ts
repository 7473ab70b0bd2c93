/** A folder that holds backups: on another disk, a mount. An unmounted one must never be taken for an empty one. */
import { EstratoError } from "../../../../errors.ts";
import { answerOf } from "../../../../system-answer.ts";
import type { HeldLocks, World } from "../../../ports.ts";
import { requireSpace } from "../../../space.ts";
import { isBackupId } from "../../parts.ts";
import type { BackupTarget } from "../target.ts";
import { readText, told } from "./files.ts";
import { backupFolder, isUnfinishedOf, markerPath, relativeBacking, splitPath, unfinishedFolder } from "./layout.ts";
import { mergingIn, storedIn } from "./stored.ts";
import { unfinishedIn } from "./unfinished.ts";

const NOT_MOUNTED = "Is its disk mounted?";

/** `folder`: an absolute path. */
export function folderTarget(world: World, folder: string): BackupTarget {
  const names = () => told(world.host.listFolder(folder));
  return {
    name: folder,
    absenceHint: NOT_MOUNTED,
    markerName: markerPath(folder),
    readMarker: (isKnown) => readMarker(world, folder, isKnown),
    identity: async () => (await told(world.host.fileInfo(markerPath(folder))))?.identity ?? null,
    writeMarker: (text) => [{ do: "write-file", path: markerPath(folder), text, ifNone: true }],
    lock: (timeoutMs) => lock(world, folder, timeoutMs),
    requireSpace: (bytes, what, reserveBytes) => requireSpace(world, bytes, what, folder, reserveBytes),
    requireWritable: async (backups = []) => {
      for (const one of [folder, ...backups.map((id) => backupFolder(folder, id))])
        await world.host.requireWritable(one);
    },
    backupIds: async () => (await names()).filter(isBackupId),
    backup: (id) => storedIn(world, folder, id),
    fileAt: (path) => {
      const { id, file } = splitPath(path);
      return { backup: storedIn(world, folder, id), file };
    },
    backingName: relativeBacking,
    unfinishedName: (id, store) => unfinishedFolder(folder, id, store),
    unfinishedOf: async (store) =>
      (await names()).filter((name) => isUnfinishedOf(name, store)).map((name) => `${folder}/${name}`),
    unfinished: (name) => unfinishedIn(world, folder, name),
    merging: mergingIn(folder),
  };
}

async function readMarker(world: World, folder: string, isKnown: boolean): Promise<string | null> {
  const found = await told(world.host.fileInfo(folder));
  if (found === null) {
    throw new EstratoError("host", `${folder}: there is no such folder`, {
      hint: isKnown ? NOT_MOUNTED : "Make it first, on a disk of its own.",
    });
  }
  if (!found.isFolder) throw new EstratoError("host", `${folder}: it is no folder`, { hint: "Name a folder." });
  return readText(world, markerPath(folder));
}

/** Whatever is mounted there has gone (a server, the process of a FUSE): as where nothing is. */
const GONE = ["ENOTCONN", "ESTALE"];

async function lock(world: World, folder: string, timeoutMs: number): Promise<HeldLocks | null> {
  const marker = markerPath(folder);
  const found = await world.host.fileInfo(marker).catch((error: NodeJS.ErrnoException) => {
    if (GONE.includes(error.code ?? "")) return null;
    throw answerOf(error) ?? error;
  });
  if (found === null) return null;
  const locks = await world.store.lockShared(marker, folder, timeoutMs, world.signal);
  if (locks === null) {
    world.report.note(`${folder}: it cannot be locked: let no other store work in it at the same time`);
  }
  return locks;
}
