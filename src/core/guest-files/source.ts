/** From a backup or a snapshot to the disks that are read, which stay as they are meanwhile. */
import { EstratoError } from "../../errors.ts";
import type { GuestDisk } from "../model/guest-files.ts";

/** What is read, and what people call it: "backup bak-…", "snapshot web1/before". */
export interface Source {
  readonly what: string;
  readonly disks: readonly GuestDisk[];
}

/** The one of that device; null: all. Throws "not_found", with those that there are. */
export function disksNamed<Disk extends { readonly device: string }>(
  all: readonly Disk[],
  device: string | null,
  what: string,
): readonly Disk[] {
  const found = device === null ? all : all.filter((disk) => disk.device === device);
  if (found.length > 0) return found;
  throw new EstratoError("not_found", `${what}: it has no disk ${device ?? ""}`.trimEnd(), {
    hint: `Its disks: ${all.map((disk) => disk.device).join(", ") || "none"}.`,
  });
}
