/** Folders that hold backups: another disk, a mount. An unmounted one must never be taken for an empty one. */
import { EstratoError } from "../../errors.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { markerFile, readSmall } from "./layout.ts";

export const NOT_MOUNTED = "Is its disk mounted?";

/** What the marker of a target holds. */
interface Marker {
  readonly format: number;
  readonly id: string;
}

/**
 * Throws "host" where the folder is not there, or is not the one that held backups before. Null: it has no marker, and nobody
 * remembers that it had one.
 */
export async function readTarget(world: World, state: State, target: string): Promise<string | null> {
  const folder = await world.host.fileInfo(target);
  if (folder === null) {
    throw new EstratoError("host", `${target}: there is no such folder`, {
      hint: state.targets[target] === undefined ? "Make it first, on a disk of its own." : NOT_MOUNTED,
    });
  }
  if (!folder.isFolder) throw new EstratoError("host", `${target}: it is no folder`, { hint: "Name a folder." });
  const known = state.targets[target];
  const marker = parseMarker(await readSmall(world, markerFile(target)), target);
  if (marker === null && known !== undefined) {
    throw new EstratoError("host", `${target}: the backups that it held are not there`, { hint: NOT_MOUNTED });
  }
  if (marker !== null && known !== undefined && marker !== known) {
    throw new EstratoError("host", `${target}: it is another target than the one that was there before`, {
      hint: `${NOT_MOUNTED} A new one needs a path of its own.`,
    });
  }
  return marker;
}

function parseMarker(text: string | null, target: string): string | null {
  if (text === null) return null;
  try {
    const { format, id } = JSON.parse(text) as Marker;
    if (format === 1 && typeof id === "string") return id;
  } catch {
    // Said below.
  }
  throw new EstratoError("integrity", `${markerFile(target)}: damaged`, {
    hint: `It is to hold {"format":1,"id":"…"}; any id will do where no store knows the target.`,
  });
}

/** Is it there, and the one that this store knows? */
export async function isThere(world: World, state: State, target: string): Promise<boolean> {
  try {
    return (await readTarget(world, state, target)) !== null;
  } catch (error) {
    if (error instanceof EstratoError) return false;
    throw error;
  }
}

/** The target, marked and remembered, so that a backup can go there. `store`: what this store is called in it. */
export async function openTarget(world: World, target: string, store: string): Promise<void> {
  const state = await world.store.read();
  let id = await readTarget(world, state, target);
  if (world.dryRun) return;
  if (id === null) {
    id = world.ids.uuid();
    const text = `${JSON.stringify({ format: 1, id })}\n`;
    await world.host.perform({ do: "write-file", path: markerFile(target), text });
  }
  const known = id;
  await world.store.update((draft) => {
    draft.targets[target] = known;
    draft.storeId ??= store;
  });
}

/** What this store is called in targets: chosen when it is needed first, and remembered. */
export async function storeIdOf(world: World): Promise<string> {
  const { storeId } = await world.store.read();
  if (storeId !== null) return storeId;
  const chosen = world.ids.uuid();
  if (world.dryRun) return chosen;
  return world.store.update((draft) => {
    draft.storeId ??= chosen;
    return draft.storeId;
  });
}
