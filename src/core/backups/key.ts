/**
 * The passphrase of encrypted backups. Its owner names the file that holds it; for the time of an operation libvirt
 * keeps it as a secret, so that every program gets it in the one way there is, and what was cut off can be finished
 * without asking again.
 */
import { EstratoError } from "../../errors.ts";
import { defineSecret } from "../layers/secrets.ts";
import type { Action } from "../model/action.ts";
import type { World } from "../ports.ts";

/**
 * The id of the secret that an operation will use; null where nothing is encrypted. Throws "host" or "usage" where the
 * file holds no passphrase.
 */
export async function planKey(world: World, passphraseFile: string | null): Promise<string | null> {
  if (passphraseFile === null) return null;
  await world.host.checkPassphrase(passphraseFile);
  return world.ids.uuid();
}

export function giveKey(world: World, secret: string | null, passphraseFile: string | null, id: string): Action[] {
  if (secret === null || passphraseFile === null) return [];
  return [defineSecret(world, secret, `backup ${id}, for the time of an operation`, passphraseFile)];
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
