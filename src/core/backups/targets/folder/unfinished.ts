/** A backup that is being taken: a folder whose name says that it is none yet. */
import { secretOf } from "../../../graph/files.ts";
import type { Action } from "../../../model/action.ts";
import type { World } from "../../../ports.ts";
import type { CopyMeans, DiskContent, UnfinishedBackup } from "../target.ts";
import { filesIn } from "./files.ts";
import { backupFolder, relativeBacking } from "./layout.ts";

const FILE_MODE = 0o400;
/** Passed through by QEMU's user, listed by nobody but its owner. */
const PASSABLE_MODE = 0o711;
const PRIVATE_MODE = 0o700;

export function unfinishedIn(world: World, target: string, folder: string): UnfinishedBackup {
  const at = (file: string) => `${folder}/${file}`;
  return {
    ...filesIn(world, folder),
    begin: ({ passable }) => [
      { do: "make-folder", path: folder },
      { do: "set-access", path: folder, mode: passable ? PASSABLE_MODE : PRIVATE_MODE, readers: [] },
    ],
    takeDisk: (file, content, how) => [copyOf(at(file), file, content, how)],
    takeFile: (file, from) => [{ do: "copy-file", from, to: at(file), mode: FILE_MODE }],
    finish: (id) => [{ do: "move-folder", from: folder, to: backupFolder(target, id) }],
    discard: () => [{ do: "discard-folder", path: folder }],
  };
}

function copyOf(to: string, file: string, content: DiskContent, { compress, secret }: CopyMeans): Action {
  const how = { compress, mode: FILE_MODE, ...(secret === null ? {} : { encrypt: { secret } }) };
  if ("image" in content) {
    const { path: from, format: fromFormat, secret: opens = null } = content.image;
    return { do: "convert", from, fromFormat, to, toFormat: "qcow2", ...how, ...secretOf({ secret: opens }) };
  }
  const { layers, parent, sizeBytes } = content;
  const backing = { path: relativeBacking(parent, file), format: "qcow2" };
  return { do: "convert-delta", layers, to, backing, sizeBytes, ...how };
}
