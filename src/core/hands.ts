/**
 * In whose hands a file is: who could put something else in its place. What root starts or stands on must be in nobody
 * else's. Groups count as others: an ACL that lets somebody write shows in the group's bits.
 */
import type { World } from "./ports.ts";

const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/**
 * Why others than root could change the file, or have another one in its place, in words that follow its path; null
 * where nobody could. Asked of the file, of each folder above it, and of those above what it is a link to. What is not
 * there is nobody's.
 */
export async function whyInOtherHands(world: World, path: string): Promise<string | null> {
  const why = await whyFolderInOtherHands(world, path);
  if (why !== null) return why;
  const file = await world.host.fileInfo(path);
  if (file === null) return null;
  if (file.uid !== 0) return `it belongs to ${await nameOf(world, file.uid)}`;
  return (file.mode & WRITABLE_BY_OTHERS) === 0 ? null : "others may write it";
}

/** The same of the folders alone: libvirt gives the files of running guests to QEMU's user. */
export async function whyFolderInOtherHands(world: World, path: string): Promise<string | null> {
  const real = await world.host.realPath(path);
  for (const name of new Set([path, real ?? path])) {
    for (const folder of foldersAbove(name)) {
      const found = await world.host.fileInfo(folder);
      if (found === null) continue;
      if (found.uid !== 0) return `the folder ${folder} belongs to ${await nameOf(world, found.uid)}`;
      if ((found.mode & WRITABLE_BY_OTHERS) !== 0 && (found.mode & STICKY) === 0)
        return `others may write the folder ${folder}`;
    }
  }
  return null;
}

/** "/", "/a", "/a/b" of "/a/b/c". */
function foldersAbove(path: string): string[] {
  const parts = path.split("/").slice(1, -1);
  return ["/", ...parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`)];
}

async function nameOf(world: World, uid: number): Promise<string> {
  return (await world.host.users(String(uid)))[0]?.name ?? `user ${uid}`;
}

/** Does root work with this store? */
export async function isRootsStore(world: World): Promise<boolean> {
  return (await world.host.fileInfo(world.store.paths.home))?.uid === 0;
}
