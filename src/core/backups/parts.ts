/**
 * The parts of a backup by their names, which are the same in every target: the format that estrato-backup(7)
 * describes.
 */

/** Of a backup; what is being taken has another name. */
export const isBackupId = (name: string): boolean => /^bak-[0-9a-f]{17}$/.test(name);

export const MANIFEST = "manifest.json";
/** The manifest that a merge has prepared: it counts once the merge is through. */
export const NEXT_MANIFEST = "manifest.next.json";
/** Here from the moment on in which a backup is being removed: what it holds is no longer what it held. */
export const VOID_NOTE = "void.json";
/** Here as long as what `verify` found last is that its own files are not what was written. */
export const DAMAGE_NOTE = "damaged.json";
export const DEFINITION = "definition.xml";
export const NVRAM = "nvram.fd";
export const TPM = "tpm.state";
export const SEED = "seed.iso";

export const diskFile = (device: string): string => `${device}.qcow2`;

/** Another name after each merge, so that the old manifest and the new one each find theirs. */
export const sumsFile = (device: string, merged: string | null): string =>
  merged === null ? `${device}.sums` : `${device}.${merged}.sums`;

/**
 * Says that an instance still reads from it, through that layer: no file of it, nor of what it builds on, may change or
 * go.
 */
export const useNote = (layer: string): string => `use-${layer}.json`;
const USE_NOTE = /^use-(lay-[0-9a-f]{17})\.json$/;
/** The layer that reads from it; null where it is another file. */
export const usingLayer = (file: string): string | null => USE_NOTE.exec(file)?.[1] ?? null;
