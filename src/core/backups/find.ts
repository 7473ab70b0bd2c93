/** From `bak-…` or a name to a backup. */
import { EstratoError } from "../../errors.ts";
import { longName, notFound } from "../names.ts";
import type { World } from "../ports.ts";
import { type Backup, byAge } from "./backup.ts";
import { lookIn } from "./list.ts";
import type { Manifest } from "./manifest.ts";
import { isBackupId } from "./parts.ts";
import { distinctTargets, nameOfTarget } from "./targets/identity.ts";
import { instanceMeant } from "./whose.ts";

/** A backup whose manifest can be relied on. */
export interface WholeBackup extends Backup {
  readonly manifest: Manifest;
}

/**
 * The targets to look in: the one that was named, else all that this store knows, and the default one. Each once,
 * whatever paths lead to it.
 */
export async function knownTargets(world: World, named: string | null, fallback: string | null): Promise<string[]> {
  if (named !== null) return [await nameOfTarget(world, named)];
  const known = Object.keys((await world.store.read()).targets);
  return distinctTargets(world, fallback === null ? known : [fallback, ...known]);
}

/** The same; throws "usage" where there is none. */
export async function targetsToSearch(world: World, named: string | null, fallback: string | null): Promise<string[]> {
  const all = await knownTargets(world, named, fallback);
  if (all.length > 0) return all;
  throw new EstratoError("usage", "--target is missing: no backup has been taken with this store yet", {
    hint: "Name the folder, or set it: estrato config set backup_target DIR.",
  });
}

/**
 * By id, by name, or by INSTANCE/NAME; of one instance's backups of a name the newest. Damaged ones are found by their
 * id. Throws "not_found" where there is none, where backups of several instances have the name, where one of them is
 * dated in the future, so that the newest cannot be told, or where several targets hold it, of which one is a copy
 * (listed); "host" where a target that was to be looked into is away: by name it could hold a newer one.
 */
export async function findBackup(world: World, targets: readonly string[], word: string): Promise<Backup> {
  const { backups, away } = await lookIn(world, targets);
  const byId = backups.filter(({ id }) => id === word);
  requireOnePlace(byId, word);
  if (byId[0] !== undefined) return byId[0];
  const [missing] = away;
  if (missing !== undefined) throw targets.length === 1 || isBackupId(word) ? missing : undecided(word, missing);
  const named = await backupsNamed(world, backups, word);
  const newest = named.sort(byAge).at(-1);
  if (newest === undefined) throw notFound("backup", word, labels(backups));
  requireOneInstance(named, word);
  requireNoneAhead(world, named, word);
  requireOnePlace(
    named.filter(({ id }) => id === newest.id),
    word,
  );
  return newest;
}

function labels(backups: readonly Backup[]): string[] {
  return backups.flatMap(({ manifest, instanceName }) =>
    manifest?.name == null ? [] : [manifest.name, longName(instanceName ?? manifest.instance.name, manifest.name)],
  );
}

/** All that are called so, of whatever instance. */
export async function backupsNamed(world: World, all: readonly Backup[], word: string): Promise<Backup[]> {
  const slash = word.indexOf("/");
  const called = all.filter(({ manifest }) => manifest !== null && manifest.name === word.slice(slash + 1));
  if (slash < 0 || called.length === 0) return called;
  const id = await instanceMeant(world, all, word.slice(0, slash));
  return called.filter(({ manifest }) => manifest?.instance.id === id);
}

function undecided(word: string, { message }: EstratoError): EstratoError {
  return new EstratoError("host", `backup ${word}: which is meant cannot be told: ${message}`, {
    hint: "Bring that target back, or name the backup by its id, or where it is with --target.",
  });
}

function requireOneInstance(named: readonly Backup[], word: string): void {
  const labels = new Map<string, string>();
  for (const { manifest, instanceName } of named) if (manifest) labels.set(manifest.instance.id, instanceName ?? "");
  if (labels.size < 2) return;
  const distinct = new Set(labels.values()).size === labels.size;
  const name = named[0]?.manifest?.name ?? "";
  const candidates = [...labels].map(([id, label]) => longName(distinct ? label : id, name));
  throw ambiguous(word, candidates.sort());
}

/** A clock that was ahead: for as long, what was taken then would be the newest. */
function requireNoneAhead(world: World, named: readonly Backup[], word: string): void {
  const now = world.clock.now().toISOString();
  const ahead = named.find(({ manifest }) => manifest !== null && manifest.createdAt > now);
  if (ahead === undefined || named.length === 1) return;
  const why = `${ahead.id} is dated in the future (${ahead.manifest?.createdAt}), so the newest cannot be told`;
  throw ambiguous(
    word,
    named.map(({ id }) => id),
    why,
  );
}

/** The same backup: what is done to a copy is not done to the other. */
function requireOnePlace(same: readonly Backup[], word: string): void {
  if (same.length < 2) return;
  const places = same.map(({ target }) => target);
  throw ambiguous(word, places.sort(), "several targets hold it", "Say in which: --target DIR.");
}

function ambiguous(word: string, candidates: readonly string[], why = "", hint = "Name one of these."): EstratoError {
  const reason = why === "" ? "ambiguous" : `ambiguous: ${why}`;
  return new EstratoError("not_found", `backup ${word}: ${reason}: ${candidates.join(", ")}`, { hint });
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
  const { id, manifest, problem, merging = null, target } = backup;
  if (manifest !== null && problem === null) return { ...backup, manifest };
  const hint =
    merging === null
      ? `See "estrato backup verify ${id}".`
      : `Try again; where nobody is at work there any more, this ends it: estrato backup delete ${merging} --target ${target}.`;
  throw new EstratoError("integrity", `backup ${id}: ${problem}`, { hint });
}
