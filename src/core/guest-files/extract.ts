/** `backup extract`, `snapshot extract`: files and folders of a guest, into a folder of the host or a tar archive. */
import { basename, dirname } from "node:path";
import { EstratoError } from "../../errors.ts";
import type { GuestPart, Unpacked } from "../model/guest-files.ts";
import type { PlanView } from "../operations/steps.ts";
import type { OpenGuest, World } from "../ports.ts";
import { withMounted } from "./mounted.ts";
import { entryAt, guestPath } from "./paths.ts";
import type { Source } from "./source.ts";

/** A folder (absolute path), or whoever reads the archive. */
export type ExtractTarget =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "archive"; readonly write: (archive: AsyncIterable<Uint8Array>) => Promise<void> };

/** What `extract` says that it did. */
export interface Extracted {
  readonly to: string | null;
  readonly files: number;
  readonly folders: number;
  readonly links: number;
  readonly size_bytes: number;
  readonly left_out: readonly string[];
}

/**
 * Takes `paths` out, each by its last name; what is left out is told in notes. Into a folder: whole or not at all, with
 * the user's own as owner; nothing is replaced. Throws "usage" for a relative path, or two of one name; "not_found"
 * where one is missing; "conflict" where one is there already. A dry run returns the plan.
 */
export async function extractFiles(
  world: World,
  withSource: <T>(use: (source: Source) => Promise<T>) => Promise<T>,
  request: { readonly paths: readonly string[]; readonly fileSystem: string | null; readonly to: ExtractTarget },
): Promise<Extracted | PlanView> {
  const { to } = request;
  const paths = request.paths.map(guestPath);
  requireDistinct(paths);
  if (to.kind === "folder") await requireFree(world, to.path, paths);
  return withSource(async (source) => {
    if (world.dryRun) return planOf(world, source, to);
    const done = await withMounted(world, source, request.fileSystem, async (guest) => {
      const parts: GuestPart[] = [];
      for (const path of paths) parts.push({ ...(await entryAt(guest, path, source.what)), name: basename(path) });
      return to.kind === "folder" ? unpack(world, guest, parts, to.path) : pack(guest, parts, to.write);
    });
    for (const text of done.leftOut) world.report.note(text);
    const { files, folders, links, bytes, leftOut } = done;
    const into = to.kind === "folder" ? to.path : null;
    return { to: into, files, folders, links, size_bytes: bytes, left_out: leftOut };
  });
}

async function unpack(world: World, guest: OpenGuest, parts: readonly GuestPart[], folder: string): Promise<Unpacked> {
  const isKnown = parts.every(({ entry }) => entry.kind === "file");
  const totalBytes = parts.reduce((sum, { entry }) => sum + entry.sizeBytes, 0);
  const title = "Taking files out";
  world.report.progress(title, null);
  return guest.unpack(parts, folder, (bytes) => {
    if (isKnown && totalBytes > 0) world.report.progress(title, Math.min(1, bytes / totalBytes), { totalBytes });
  });
}

async function pack(
  guest: OpenGuest,
  parts: readonly GuestPart[],
  write: (archive: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<Unpacked> {
  let made: Unpacked = { files: 0, folders: 0, links: 0, bytes: 0, leftOut: [] };
  await write(
    guest.pack(parts, (unpacked) => {
      made = unpacked;
    }),
  );
  return made;
}

/** The root has no name: what is in it comes by its own names, and nothing beside it. */
function requireDistinct(paths: readonly string[]): void {
  const names = paths.map((path) => basename(path));
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice === undefined && (names.length < 2 || !names.includes(""))) return;
  const what = twice === undefined || twice === "" ? "/ holds all others" : `two of them are called ${twice}`;
  throw new EstratoError("usage", `${paths.join(", ")}: ${what}`, { hint: "Take them out one after the other." });
}

/** Asked before anything is started, and once more where they get their names. */
async function requireFree(world: World, folder: string, paths: readonly string[]): Promise<void> {
  if (`${folder}/`.startsWith(`${world.store.paths.home}/`)) {
    throw new EstratoError("conflict", `${folder}: that folder is for what estrato keeps itself`, {
      hint: "Choose another folder.",
    });
  }
  const found = await world.host.fileInfo(folder);
  if (found !== null && !found.isFolder) {
    throw new EstratoError("conflict", `${folder}: it is no folder`, { hint: "Name a folder with --to." });
  }
  if (found === null && (await world.host.fileInfo(dirname(folder)))?.isFolder !== true) {
    throw new EstratoError("not_found", `${dirname(folder)}: no such folder`, { hint: "Make it first." });
  }
  for (const path of paths) {
    const name = basename(path);
    const there = name === "" ? null : await world.host.fileInfo(`${folder}/${name}`);
    if (there === null) continue;
    throw new EstratoError("conflict", `${folder}/${name}: it is there already`, {
      hint: "Nothing is replaced: name another folder, or move it away.",
    });
  }
}

async function planOf(world: World, { disks }: Source, to: ExtractTarget): Promise<PlanView> {
  const title = to.kind === "folder" ? `Unpack them into ${to.path}` : "Write them as a tar archive";
  return {
    steps: [
      { title: "Read the file systems", commands: await world.host.guestCommands(disks) },
      { title, commands: [] },
    ],
    notes: [],
    freesBytes: null,
  };
}
