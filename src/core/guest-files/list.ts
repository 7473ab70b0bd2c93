/** `backup files`, `snapshot files`: what is in a folder of a guest. */
import type { GuestEntry, GuestKind } from "../model/guest-files.ts";
import type { World } from "../ports.ts";
import { withMounted } from "./mounted.ts";
import { entryAt, guestPath } from "./paths.ts";
import type { Source } from "./source.ts";

/** What `files` says of one. */
export interface FileView {
  readonly type: GuestKind;
  readonly mode: string; // 0644
  readonly owner: string; // UID:GID
  readonly uid: number;
  readonly gid: number;
  readonly size_bytes: number;
  readonly modified_at: string;
  readonly path: string;
}

/**
 * What is in the folder `path`, by name; or the file that it is. Throws "usage" for a relative path, "not_found" where
 * there is none, or no file system is found to look in.
 */
export async function listFiles(
  world: World,
  withSource: <T>(use: (source: Source) => Promise<T>) => Promise<T>,
  { path: word, fileSystem }: { readonly path: string; readonly fileSystem: string | null },
): Promise<FileView[]> {
  const path = guestPath(word);
  return withSource((source) =>
    withMounted(world, source, fileSystem, async (guest) => {
      const found = await entryAt(guest, path, source.what);
      if (found.entry.kind !== "folder") return [viewFile(found.entry, path)];
      const above = path === "/" ? "" : path;
      return (await guest.list(found.path)).map((entry) => viewFile(entry, `${above}/${entry.name}`));
    }),
  );
}

function viewFile({ kind, mode, uid, gid, sizeBytes, modifiedAt }: GuestEntry, path: string): FileView {
  return {
    type: kind,
    mode: mode.toString(8).padStart(4, "0"),
    owner: `${uid}:${gid}`,
    uid,
    gid,
    size_bytes: sizeBytes,
    modified_at: modifiedAt.toISOString(),
    path,
  };
}
