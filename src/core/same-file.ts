/** A file is its device and inode, not a path (DESIGN.md, invariant 10). */
import type { ImageInfo } from "./model/host.ts";
import type { World } from "./ports.ts";

/** Do both paths name one file or device? One that is not there is no other's. Asks nothing where they are equal. */
export async function isSameFile(world: World, a: string, b: string): Promise<boolean> {
  if (a === b) return true;
  const [one, other] = await Promise.all([world.host.fileInfo(a), world.host.fileInfo(b)]);
  return one !== null && one.identity === other?.identity;
}

/** Does the image stand on this file (null: on none), by whatever name its header has of it? */
export async function standsOn(world: World, { backing }: ImageInfo, file: string | null): Promise<boolean> {
  return backing === file || (backing !== null && file !== null && isSameFile(world, backing, file));
}
