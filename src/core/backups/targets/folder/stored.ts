/** A backup in a folder: what is removed, read back, and merged of it. */
import { secretOf } from "../../../graph/files.ts";
import type { World } from "../../../ports.ts";
import { MANIFEST, NEXT_MANIFEST } from "../../parts.ts";
import type { Merging, StoredBackup } from "../target.ts";
import { filesIn, told } from "./files.ts";
import { backupFolder } from "./layout.ts";

const FROZEN = 0o400;
const WRITABLE = 0o600;

export function storedIn(world: World, target: string, id: string): StoredBackup {
  const folder = backupFolder(target, id);
  const at = (file: string) => `${folder}/${file}`;
  return {
    ...filesIn(world, folder),
    id,
    isThere: async () => (await told(world.host.fileInfo(folder))) !== null,
    copyOut: (file, to, mode) => [{ do: "copy-file", from: at(file), to, mode }],
    copyTpmOut: (file, to) => [{ do: "save-tpm", from: at(file), to }],
    removeFile: (file) => [{ do: "unlink", path: at(file) }],
    remove: () => [
      { do: "unlink", path: at(MANIFEST) },
      { do: "discard-folder", path: folder },
    ],
  };
}

export function mergingIn(target: string): Merging {
  const at = (id: string, file: string) => `${backupFolder(target, id)}/${file}`;
  return {
    merge: (below, above, file, secret) => [
      { do: "set-mode", path: at(below, file), mode: WRITABLE },
      // qemu-img opens it for writing, though it writes nothing to it.
      { do: "set-mode", path: at(above, file), mode: WRITABLE },
      { do: "commit", top: at(above, file), topFormat: "qcow2", base: at(below, file), ...secretOf({ secret }) },
    ],
    putInPlace: (below, above, file) => [
      { do: "set-mode", path: at(below, file), mode: FROZEN },
      { do: "move-file", from: at(below, file), to: at(above, file), replace: true },
    ],
    putManifestInPlace: (above) => [
      { do: "move-file", from: at(above, NEXT_MANIFEST), to: at(above, MANIFEST), replace: true },
    ],
  };
}
