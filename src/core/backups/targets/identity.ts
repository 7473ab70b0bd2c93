/**
 * Which target is it? Its marker says so; the store remembers those that have held its backups, and takes no other for
 * one of them.
 */
import { EstratoError } from "../../../errors.ts";
import type { State } from "../../model/state.ts";
import type { World } from "../../ports.ts";
import { openTarget } from "./open.ts";
import type { BackupTarget } from "./target.ts";

/** What the marker of a target holds. */
interface Marker {
  readonly format: number;
  readonly id: string;
}

/**
 * The id in the marker of the target of that name. Throws "host" where it is not there, or is not the one that held
 * backups before. Null: it has no marker, and nobody remembers that it had one.
 */
export async function requireTarget(world: World, state: State, name: string): Promise<string | null> {
  const target = openTarget(world, name);
  const known = state.targets[name];
  const marker = parseMarker(await target.readMarker(known !== undefined), target);
  if (marker === null && known !== undefined) throw emptied(target);
  if (marker !== null && known !== undefined && marker !== known) {
    throw new EstratoError("host", `${name}: it is another target than the one that was there before`, {
      hint: `${target.absenceHint} A new one needs a path of its own.`,
    });
  }
  return marker;
}

/** The error where something else is in its place. */
export function emptied({ name, absenceHint }: BackupTarget): EstratoError {
  return new EstratoError("host", `${name}: the backups that it held are not there`, { hint: absenceHint });
}

function parseMarker(text: string | null, { markerName }: BackupTarget): string | null {
  if (text === null) return null;
  try {
    const { format, id } = JSON.parse(text) as Marker;
    if (format === 1 && typeof id === "string") return id;
  } catch {
    // Said below.
  }
  throw new EstratoError("integrity", `${markerName}: damaged`, {
    hint: `It is to hold {"format":1,"id":"…"}; any id will do where no store knows the target.`,
  });
}

/** Is it there, and the one that this store knows? */
export async function isThere(world: World, state: State, name: string): Promise<boolean> {
  try {
    return (await requireTarget(world, state, name)) !== null;
  } catch (error) {
    if (error instanceof EstratoError) return false;
    throw error;
  }
}

/**
 * Afterwards it is marked, and this store remembers it. `store`: what this store is called in it. A dry run only looks.
 */
export async function markTarget(world: World, name: string, store: string): Promise<void> {
  const state = await world.store.read();
  let id = await requireTarget(world, state, name);
  if (world.dryRun) return;
  if (id === null) {
    id = world.ids.uuid();
    const text = `${JSON.stringify({ format: 1, id })}\n`;
    for (const action of openTarget(world, name).writeMarker(text)) await world.host.perform(action);
  }
  const known = id;
  await world.store.update((draft) => {
    draft.targets[name] = known;
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
