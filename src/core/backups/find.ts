/** From `bak-…` or a name to a backup. */
import { EstratoError } from "../../errors.ts";
import { notFound } from "../names.ts";
import type { World } from "../ports.ts";
import { type Backup, byAge } from "./backup.ts";
import { backupsIn } from "./list.ts";
import type { Manifest } from "./manifest.ts";

/** A backup whose manifest can be relied on. */
export interface WholeBackup extends Backup {
  readonly manifest: Manifest;
}

/** The targets to look in: the one that was named, else all that this store knows, and the default one. */
export async function knownTargets(world: World, named: string | null, fallback: string | null): Promise<string[]> {
  if (named !== null) return [named];
  const known = Object.keys((await world.store.read()).targets);
  return [...new Set(fallback === null ? known : [fallback, ...known])];
}

/** The same; throws "usage" where there is none. */
export async function targetsToSearch(world: World, named: string | null, fallback: string | null): Promise<string[]> {
  const all = await knownTargets(world, named, fallback);
  if (all.length > 0) return all;
  throw new EstratoError("usage", "--target is missing: no backup has been taken with this store yet", {
    hint: "Name the folder, or set it: estrato config set backup_target DIR.",
  });
}

/** By id, else the newest of that name. Throws "not_found". Damaged ones are found by their id. */
export async function findBackup(world: World, targets: readonly string[], word: string): Promise<Backup> {
  const all: Backup[] = [];
  let unreadable: unknown = null;
  for (const target of targets) {
    try {
      all.push(...(await backupsIn(world, target)));
    } catch (error) {
      unreadable = error;
    }
  }
  const named = all.filter(({ manifest }) => manifest?.name === word);
  const newest = named.sort(byAge).at(-1);
  const found = all.find(({ id }) => id === word) ?? newest;
  if (found !== undefined) return found;
  if (unreadable !== null) throw unreadable;
  throw notFound("backup", word);
}

/**
 * Throws "integrity" with the first of what is wrong with its files: what is not what was written is better told now
 * than found in a guest.
 */
export function requireNoProblems({ id }: Backup, [problem]: readonly string[]): void {
  if (problem === undefined) return;
  throw new EstratoError("integrity", `backup ${id}: ${problem}`, {
    hint: `Restore another one; "estrato backup verify ${id}" names all that is wrong.`,
  });
}

/** Throws "integrity" where it is damaged. */
export function requireWhole(backup: Backup): WholeBackup {
  const { id, manifest, problem } = backup;
  if (manifest !== null && problem === null) return { ...backup, manifest };
  throw new EstratoError("integrity", `backup ${id}: ${problem}`, { hint: `See "estrato backup verify ${id}".` });
}
