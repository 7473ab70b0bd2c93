/**
 * Which target is it? Its marker says so; the store remembers those that have held its backups, and takes no other for
 * one of them.
 */
import { EstratoError } from "../../../errors.ts";
import { changeRows } from "../../model/drafts.ts";
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

/** Another name under which this store knows the target; `same`: both lead to it, else it was there and is no more. */
interface OtherName {
  readonly name: string;
  readonly same: boolean;
}

/**
 * Under which other names does this store know it? The id in its marker says so. A folder that is there too and is
 * another one all the same is a copy, with the marker of what it was copied from, and no other name.
 */
async function otherNames(world: World, { targets }: State, name: string): Promise<OtherName[]> {
  const others: OtherName[] = [];
  const id = await markerOf(world, name);
  if (id === null) return others;
  const identity = await openTarget(world, name).identity();
  for (const other of Object.keys(targets)) {
    if (other === name || targets[other] !== id) continue;
    const isThere = (await markerOf(world, other)) === id;
    const same = isThere && (await openTarget(world, other).identity()) === identity;
    if (same || !isThere) others.push({ name: other, same });
  }
  return others;
}

/** The id in its marker; null where none can be read. */
async function markerOf(world: World, name: string): Promise<string | null> {
  const target = openTarget(world, name);
  try {
    return parseMarker(await target.readMarker(true), target);
  } catch (error) {
    if (error instanceof EstratoError) return null;
    throw error;
  }
}

/**
 * What this store calls the target: two paths to one target (a link, a mount) are one name, the first that it has
 * known. Locks, bookmarks and records go by it.
 */
export async function nameOfTarget(world: World, name: string): Promise<string> {
  const state = await world.store.read();
  const known = Object.keys(state.targets);
  const others = await aliases(world, state, name);
  const all = state.targets[name] === undefined ? others : [name, ...others];
  return all.sort((a, b) => known.indexOf(a) - known.indexOf(b))[0] ?? name;
}

/** Each target once, by the name that this store has for it. Where one has moved its old path is none. */
export async function distinctTargets(world: World, names: readonly string[]): Promise<string[]> {
  const state = await world.store.read();
  const distinct = new Set<string>();
  const former = new Set<string>();
  for (const name of names) {
    const own = await nameOfTarget(world, name);
    distinct.add(own);
    for (const other of await otherNames(world, state, own)) if (!other.same) former.add(other.name);
  }
  return [...distinct].filter((name) => !former.has(name));
}

/**
 * The paths at which a target was that has this id and is at `name` now, and nowhere else. [] where `name` is known.
 */
async function formerNames(world: World, state: State, name: string): Promise<string[]> {
  if (state.targets[name] !== undefined) return [];
  return (await otherNames(world, state, name)).filter(({ same }) => !same).map((one) => one.name);
}

/** The target's name, and those that it had before: what is remembered of it may go by one of these still. */
export async function namesOf(world: World, state: State, name: string): Promise<string[]> {
  return [name, ...(await formerNames(world, state, name))];
}

/**
 * Throws "host" where it is a copy of a target that this store knows and that is there as well: two folders with one id
 * would be taken for one.
 */
export async function requireNoCopy(world: World, name: string): Promise<void> {
  const { targets } = await world.store.read();
  if (targets[name] !== undefined) return;
  const id = await markerOf(world, name);
  if (id === null) return;
  const identity = await openTarget(world, name).identity();
  for (const other of Object.keys(targets).filter((one) => targets[one] === id)) {
    if ((await markerOf(world, other)) !== id) continue;
    const target = openTarget(world, name);
    if ((await openTarget(world, other).identity()) === identity) continue;
    throw new EstratoError("host", `${name}: it has the id of ${other}, and is another folder`, {
      hint: `Of one share that is mounted twice use ${other}. A copy gets an id of its own: remove ${target.markerName}.`,
    });
  }
}

/**
 * Afterwards it is marked, and this store remembers it by this name alone. `store`: what this
 * store is called in it. A dry run only looks.
 */
export async function markTarget(world: World, name: string, store: string): Promise<void> {
  const state = await world.store.read();
  let id = await requireTarget(world, state, name);
  if (world.dryRun) return;
  if (id === null) {
    const target = openTarget(world, name);
    const own = world.ids.uuid();
    const text = `${JSON.stringify({ format: 1, id: own })}\n`;
    for (const action of target.writeMarker(text)) await world.host.perform(action);
    id = parseMarker(await target.readMarker(false), target) ?? own; // another store may have been first
  }
  const known = id;
  const former = [...(await formerNames(world, state, name)), ...(await aliases(world, state, name))];
  await world.store.update((draft) => {
    for (const old of former) moveTarget(draft, old, name);
    draft.targets[name] = known;
    draft.storeId ??= store;
  });
}

/** Other paths that lead to it, and that an older version took for targets of their own. */
async function aliases(world: World, state: State, name: string): Promise<string[]> {
  return (await otherNames(world, state, name)).filter(({ same }) => same).map((one) => one.name);
}

/** What was remembered of it by its old path. What still reads from it has its files' paths, and keeps them. */
function moveTarget(draft: State, old: string, name: string): void {
  delete draft.targets[old];
  changeRows(
    draft.bookmarks,
    ({ target }) => target === old,
    (bookmark) => {
      bookmark.target = name;
    },
  );
}
