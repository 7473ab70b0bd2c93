/** libguestfs calls disks by their order (/dev/sda); people call them as their guest does (vda). */

const DISK = /^\/dev\/sd([a-z]+)(\d*)$/;

/** `/dev/sdb1` of the second disk, vdb: `vdb1`. What is no part of a disk (LVM's) keeps its name. */
export function deviceOf(device: string, disks: readonly { readonly device: string }[]): string {
  const [, letters, part = ""] = DISK.exec(device) ?? [];
  const disk = letters === undefined ? undefined : disks[indexOf(letters)];
  return disk === undefined ? device : `${disk.device}${part}`;
}

/** The other way: `vdb1`, or `/dev/vdb1`, is `/dev/sdb1`. */
export function letterDevice(word: string, disks: readonly { readonly device: string }[]): string {
  const name = word.replace(/^\/dev\//, "");
  for (const [index, { device }] of disks.entries()) {
    const part = name.startsWith(device) ? name.slice(device.length) : null;
    if (part !== null && /^\d*$/.test(part)) return `/dev/sd${lettersOf(index)}${part}`;
  }
  return word;
}

/** a to z, aa to zz: as the kernel counts disks. */
function lettersOf(index: number): string {
  const last = String.fromCharCode(97 + (index % 26));
  return index < 26 ? last : `${lettersOf(Math.floor(index / 26) - 1)}${last}`;
}

function indexOf(letters: string): number {
  return [...letters].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 96, 0) - 1;
}
