/** What is known, and asked, of merges before they are begun: from the void note on there is no way back. */
import { differenceBytes } from "../graph/intervals.ts";
import type { HeldLocks, World } from "../ports.ts";
import { rememberVerdict } from "./damage.ts";
import { examineBytes } from "./examine-disk.ts";
import { opening } from "./key.ts";
import type { BackupDisk, Manifest } from "./manifest.ts";
import { type Moved, movedBy, tableBytes, unchangedSums } from "./merged-sums.ts";
import { sumsBytes } from "./sums.ts";
import type { BackupTarget } from "./targets/target.ts";
import { damaged } from "./unmergeable.ts";

/** A disk that is merged into the one that it stands on. */
export interface DiskMerge {
  readonly below: BackupDisk;
  readonly above: BackupDisk;
  readonly moved: Moved;
}

/**
 * The void note, the manifest and the names of files, each of which takes a block or two of the file system. Without
 * these, and checksums, no merge can be ended.
 */
const SMALL_BYTES = 32 * 1024;

/**
 * The merges of what stands on a backup (`below`, `above`: their manifests) into it. `passphraseFile` null: they are
 * not encrypted. Throws Unmergeable where it does not open them, "host" where the target has no room for what they add.
 */
export async function planMerges(
  world: World,
  target: BackupTarget,
  below: Manifest,
  above: Manifest,
  passphraseFile: string | null,
): Promise<DiskMerge[]> {
  const key = passphraseFile === null ? {} : { passphraseFile };
  const image = (id: string, { file }: BackupDisk) => ({ ...target.backup(id).image(file), ...key });
  const merges: DiskMerge[] = [];
  let bytes = 0;
  let besides = SMALL_BYTES;
  for (const disk of above.disks.filter(({ parent }) => parent === below.id)) {
    const into = below.disks.find(({ device }) => device === disk.device);
    if (into === undefined) continue;
    const asked = movedBy(world, image(above.id, disk), image(below.id, into));
    const moved = await (passphraseFile === null ? asked : opening(below.id, passphraseFile, asked));
    merges.push({ below: into, above: disk, moved });
    const held = await world.host.ownExtents(image(below.id, into), "data");
    // Where the data of an encrypted file lies nobody tells (measured), and none of it is compressed
    const places = passphraseFile === null ? moved.places : held;
    // What is written goes where data lies already, and else behind it
    bytes += differenceBytes(await world.host.ownExtents(image(above.id, disk), "data"), places);
    besides += sumsBytes(into.fileBytes) + tableBytes(moved.written, held);
  }
  const what = `backup ${below.id}: merging what builds on it`;
  if (bytes > 0) await target.requireSpace(bytes, what);
  // One that only writes over what is there may be what makes room in a full target: it needs none to spare
  else if (merges.length > 0) await target.requireSpace(besides, what, 0);
  return merges;
}

/**
 * Compares all that a merge will sum anew with the sums that were taken when it was written: what is merged, and the
 * blocks of what takes it in that this will touch. Where that is something else, Unmergeable ("integrity") is thrown,
 * and it is remembered as `verify` remembers it.
 */
export async function requireAsWritten(
  world: World,
  locks: HeldLocks,
  target: BackupTarget,
  { id, child }: { readonly id: string; readonly child: string },
  merges: readonly DiskMerge[],
): Promise<void> {
  const problems: Record<string, string[]> = { [child]: [], [id]: [] };
  for (const { below, above, moved } of merges) {
    const touched = (sums: Parameters<typeof unchangedSums>[0]) =>
      unchangedSums(sums, moved).map((unchanged) => unchanged === null);
    problems[child]?.push(...(await examineBytes(world, target.backup(child), above, null)).problems);
    problems[id]?.push(...(await examineBytes(world, target.backup(id), below, touched)).problems);
  }
  const [first] = Object.entries(problems).filter(([, found]) => found.length > 0);
  for (const [one, found] of Object.entries(problems)) {
    if (found.length > 0) await rememberVerdict(world, locks, target.name, one, found);
  }
  if (first !== undefined) throw damaged(id, child, first[0], first[1][0]);
}
