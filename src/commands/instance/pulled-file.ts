/** A file of this host's that a guest's becomes: it has its name when it is whole. */
import { type FileHandle, lstat, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { PullTarget } from "../../core/guest/pull.ts";
import type { World } from "../../core/ports.ts";
import { EstratoError } from "../../errors.ts";
import { randomDigits } from "../../random.ts";
import { syncNames } from "../../synced-folder.ts";

interface PulledFile extends PullTarget {
  readonly path: string;
  /** Nothing of it stays; nothing where it is done. */
  abandon(): Promise<void>;
}

const PART = /^\.estrato-[0-9a-f]{12}\.pull$/;
const ABANDONED_AFTER_MS = 3_600_000;

/**
 * What is called `file`, or lies in that folder under the name that it has in the guest. A file that is there is
 * replaced, as cp(1) does, and a link by a file: nothing is written through one. Throws "conflict" where something else
 * is there, "not_found" where its folder is not.
 */
export async function pulledFile(
  world: Pick<World, "host" | "dryRun">,
  file: string,
  guestPath: string,
): Promise<PulledFile> {
  const path = await placeOf(file, guestPath);
  const folder = dirname(path);
  const part = join(folder, `.estrato-${randomDigits(12)}.pull`);
  let handle: FileHandle | null = null;
  return {
    path,
    name: path,
    async begin() {
      if (!world.dryRun) {
        await clearAway(folder);
        handle = await open(part, "wx", 0o600);
      }
      return world.host.freeBytes(folder);
    },
    async write(bytes) {
      for (let at = 0; handle !== null && at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
      return true;
    },
    async done(mode) {
      await handle?.chmod(mode & ~process.umask());
      await handle?.sync();
      await handle?.close();
      await rename(part, path);
      handle = null;
      syncNames(folder);
    },
    async abandon() {
      if (handle === null) return;
      await handle.close().catch(() => {}); // it is, where only its name is missing
      await rm(part, { force: true });
    },
  };
}

async function placeOf(file: string, guestPath: string): Promise<string> {
  const isFolder = await stat(file).then(
    (found) => found.isDirectory(),
    () => file.endsWith("/"),
  );
  const path = isFolder ? join(resolve(file), basename(guestPath)) : resolve(file);
  const there = await lstat(path).catch(() => null);
  if (there === null || there.isFile() || there.isSymbolicLink()) {
    if ((await stat(dirname(path)).catch(() => null))?.isDirectory()) return path;
    throw new EstratoError("not_found", `${dirname(path)}: there is no such folder`, { hint: "Make it first." });
  }
  throw new EstratoError("conflict", `${path}: it is no regular file`, {
    hint: "Name a file, or - for standard output.",
  });
}

/** What a pull has left in a folder that was killed there: nobody writes for an hour without a word. */
async function clearAway(folder: string): Promise<void> {
  const own = process.getuid?.();
  for (const name of (await readdir(folder).catch(() => [])).filter((one) => PART.test(one))) {
    const found = await lstat(join(folder, name)).catch(() => null);
    if (found?.isFile() && found.uid === own && Date.now() - found.mtimeMs > ABANDONED_AFTER_MS)
      await rm(join(folder, name), { force: true }).catch(() => {});
  }
}
