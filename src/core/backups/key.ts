/**
 * The passphrase of encrypted backups. Its owner names the file that holds it; for the time of an operation libvirt
 * keeps it as a secret, so that every program gets it in the one way there is, and what was cut off can be finished
 * without asking again.
 */
import { EstratoError, WrongPassphrase } from "../../errors.ts";
import { defineSecret } from "../layers/secrets.ts";
import type { Action } from "../model/action.ts";
import type { Step } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { Unmergeable } from "./unmergeable.ts";

/**
 * The id of the secret that an operation will use; null where nothing is encrypted. Throws "host" or "usage" where the
 * file holds no passphrase.
 */
export async function planKey(world: World, passphraseFile: string | null): Promise<string | null> {
  if (passphraseFile === null) return null;
  await world.host.checkPassphrase(passphraseFile);
  return world.ids.uuid();
}

/**
 * Waits for what was asked, with a passphrase from a file, of disks that are to be merged now that the backup `id`
 * goes. Throws Unmergeable ("host") where it does not open one: a merge that was begun with it could not be ended.
 */
export async function opening<T>(id: string, passphraseFile: string, asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (cause) {
    if (!(cause instanceof WrongPassphrase)) throw cause;
    const why = `the passphrase in ${passphraseFile} does not open what builds on it`;
    const hint = "Name the file that holds theirs: --passphrase-file FILE.";
    throw new Unmergeable("host", `backup ${id}: ${why}`, { why, hint, cause });
  }
}

/** The step before all that needs the passphrase; none where nothing is encrypted. */
export function giveKey(world: World, secret: string | null, passphraseFile: string | null, id: string): Step[] {
  if (secret === null || passphraseFile === null) return [];
  const actions = [keyAction(world, secret, passphraseFile, id)];
  return [{ id: "give-libvirt-passphrase", title: "Give libvirt the passphrase", actions }];
}

/** What it does; idempotent, and a secret that is there gets this passphrase. */
export function keyAction(world: World, secret: string, passphraseFile: string, id: string): Action {
  return defineSecret(world, secret, `backup ${id}, for the time of an operation`, passphraseFile);
}

/** The step behind it. */
export function takeKey(secret: string | null): Step[] {
  const actions = dropKey(secret);
  return actions.length === 0 ? [] : [{ id: "take-passphrase-away", title: "Take the passphrase away", actions }];
}

/** Idempotent. */
export function dropKey(secret: string | null): Action[] {
  return secret === null ? [] : [{ do: "undefine-secret", secret }];
}

/** Throws "usage" where an encrypted backup is to be opened and nobody said with what. */
export function requireKey(encrypted: boolean, passphraseFile: string | null, what: string): void {
  if (!encrypted || passphraseFile !== null) return;
  throw new EstratoError("usage", `${what}: it is encrypted`, { hint: "Say what opens it: --passphrase-file FILE." });
}
