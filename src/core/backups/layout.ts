/** Where things lie in a target: one folder for each backup, flat files in it. Names are fixed here and nowhere else. */
import type { World } from "../ports.ts";

const LARGEST_TEXT_BYTES = 256 * 1024 * 1024;

/** The text of a file in a backup; null where there is none that can be read. */
export async function readSmall(world: World, path: string): Promise<string | null> {
  return (await world.host.readText(path, LARGEST_TEXT_BYTES))?.text ?? null;
}

/** Marks a folder as a target, so that an empty mount point is not taken for one. */
export const markerFile = (target: string): string => `${target}/estrato-target.json`;

/** The folder of a backup. A sibling of all others, so that what stands on them can say so by a relative name. */
export const folderOf = (target: string, id: string): string => `${target}/${id}`;

/** Its name while it is being taken: no backup yet. It says whose it is, so that no store removes what another is writing. */
export const partOf = (target: string, id: string, store: string): string => `${target}/${id}.${store}.part`;

/** Is it one that this store has begun? */
export const isPartOf = (name: string, store: string): boolean =>
  /^bak-[0-9a-f]{17}\./.test(name) && name.endsWith(`.${store}.part`);

export const isBackupFolder = (name: string): boolean => /^bak-[0-9a-f]{17}$/.test(name);

export const MANIFEST = "manifest.json";
/** The manifest that a merge has prepared: it counts once the merge is through. */
export const NEXT_MANIFEST = "manifest.next.json";
/** Here from the moment on in which a backup is being removed: what it holds is no longer what it held. */
export const VOID_MARK = "void.json";
/** Says that an instance still reads from it: no file of it, nor of what it builds on, may change or go. */
export const useFile = (target: string, id: string, layer: string): string =>
  `${folderOf(target, id)}/use-${layer}.json`;
const USE_FILE = /^use-(lay-[0-9a-f]{17})\.json$/;
/** The layer that reads from it; null where it is another file. */
export const usingLayer = (name: string): string | null => USE_FILE.exec(name)?.[1] ?? null;
export const DEFINITION = "definition.xml";
export const NVRAM = "nvram.fd";
export const TPM = "tpm.state";

export const diskFile = (device: string): string => `${device}.qcow2`;

/** Another name after each merge, so that the old manifest and the new one each find theirs. */
export const sumsFile = (device: string, merged: string | null): string =>
  merged === null ? `${device}.sums` : `${device}.${merged}.sums`;

/** What a disk's header says of the file it stands on: relative, so that a target can be moved as a whole. */
export const relativeBacking = (parent: string, file: string): string => `../${parent}/${file}`;
