/**
 * Which folder: the option --target, else the setting backup_target, else (to look in) those where this store has put
 * backups.
 */
import { resolve } from "node:path";
import type { World } from "../../core/ports.ts";
import { EstratoError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { many, one } from "../framework/arguments.ts";
import { text } from "../framework/options.ts";
import { passphraseFileOf } from "../framework/passphrase.ts";

export const target = text("DIR", "the folder that holds the backups", { complete: "folder" });

/** What needs nothing but the folder needs no store. */
export const isTargetNamed = (options: { readonly target: string | null }): boolean => options.target !== null;

export const passphraseFile = passphraseFileOf("of encrypted backups");

/** Its absolute path; null where none is named. */
export function openedWith(given: string | null): string | null {
  return given === null ? null : resolve(given);
}

export const SAID = "the backup: an id, a name, or INSTANCE/NAME (the newest of that name)";
export const oneBackup = one("BACKUP", SAID, { complete: "backup", ask: "Which backup?" });
export const manyBackups = many("BACKUP", SAID, { complete: "backup", ask: "Which backup?" });

async function configured(factory: Factory): Promise<string | null> {
  return (await factory.settings()).get("backup_target").value;
}

/** Where a new backup goes. Throws "usage" where nothing says it. */
export async function placeOf(factory: Factory, given: string | null): Promise<string> {
  const folder = given ?? (await configured(factory));
  if (folder !== null) return resolve(folder);
  throw new EstratoError("usage", "backup create: --target is missing", {
    hint: "Name a folder, on another disk than the instance's, or set it once: estrato config set backup_target DIR.",
  });
}

/** Where there may be some; [] where nobody has named a folder yet. */
export async function placesIfAny(factory: Factory, world: World, given: string | null): Promise<string[]> {
  const { knownTargets } = await import("../../core/backups/find.ts");
  return knownTargets(world, given === null ? null : resolve(given), await configured(factory));
}

/** Where to look for one. */
export async function placesOf(factory: Factory, world: World, given: string | null): Promise<string[]> {
  const { targetsToSearch } = await import("../../core/backups/find.ts");
  return targetsToSearch(world, given === null ? null : resolve(given), await configured(factory));
}
