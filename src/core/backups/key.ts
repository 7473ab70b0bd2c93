/**
 * The passphrase of encrypted backups. Its owner names the file that holds it; for the time of an operation libvirt
 * keeps it as a secret, so that every program gets it in the one way there is, and what was cut off can be finished
 * without asking again.
 */
import { EstratoError } from "../../errors.ts";
import { defineSecret } from "../layers/secrets.ts";
import type { Action } from "../model/action.ts";
import type { Step } from "../operations/steps.ts";
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

/** The step before all that needs the passphrase; none where nothing is encrypted. */
export function giveKey(world: World, secret: string | null, passphraseFile: string | null, id: string): Step[] {
  if (secret === null || passphraseFile === null) return [];
  const give = defineSecret(world, secret, `backup ${id}, for the time of an operation`, passphraseFile);
  return [{ id: "give-libvirt-passphrase", title: "Give libvirt the passphrase", actions: [give] }];
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
