/** Key pairs: public keys with a name, for the guests that are made. The private half is never stored. */
import { compareNames } from "../order.ts";
import { changeState } from "./change-state.ts";
import type { Keypair, State } from "./model/state.ts";
import { find, requireFree, requireName } from "./names.ts";
import { createKey, type PublicKey, parsePublicKey } from "./openssh-key.ts";
import type { PlanView } from "./operations/steps.ts";
import type { Clock, StorePort } from "./ports.ts";

/** What a new key pair needs of the world. */
export interface KeypairWorld {
  readonly store: StorePort;
  readonly clock: Clock;
  readonly user: string;
  readonly dryRun: boolean;
}

export interface CreatedKeypair {
  readonly keypair: Keypair;
  /** The text of the private key file: the only copy there is. */
  readonly privateKey: string;
}

/** By name. Throws "not_found". */
export function findKeypair(state: State, name: string): Keypair {
  return find({ kind: "keypair", items: Object.values(state.keypairs), id: byName, name: byName }, name);
}

const byName = (keypair: Keypair): string => keypair.name;

/** By name, in order. */
export async function listKeypairs(store: StorePort): Promise<Keypair[]> {
  const { keypairs } = await store.read();
  return Object.values(keypairs).sort((a, b) => compareNames(a.name, b.name));
}

/**
 * A new Ed25519 key pair. `keep` gets the private key before the public one is recorded: where it throws, nothing is.
 * Throws "usage" for a bad name, "conflict" for one that is taken.
 */
export async function createKeypair(
  world: KeypairWorld,
  name: string,
  keep: (privateKey: string) => void,
): Promise<CreatedKeypair | PlanView> {
  requireName("keypair", name);
  const { publicKey, privateKey } = createKey(name.replaceAll(/\s+/g, "-"));
  const keypair = recordOf(world, name, publicKey);
  return changeState(world.store, world.dryRun, `Make an Ed25519 key and record keypair ${name}`, (draft) => {
    requireFree("keypair", name, Object.keys(draft.keypairs));
    draft.keypairs[name] = keypair;
    if (!world.dryRun) keep(privateKey);
    return { keypair: { ...keypair }, privateKey };
  });
}

/**
 * Records the public key in the text of a .pub file. Throws "usage" for what is none, "conflict" where the name is
 * taken.
 */
export async function importKeypair(world: KeypairWorld, name: string, text: string): Promise<Keypair | PlanView> {
  requireName("keypair", name);
  const keypair = recordOf(world, name, parsePublicKey(text, `public key of ${name}`));
  return changeState(world.store, world.dryRun, `Record keypair ${name}`, (draft) => {
    requireFree("keypair", name, Object.keys(draft.keypairs));
    draft.keypairs[name] = keypair;
    return { ...keypair };
  });
}

/** Guests that have the key keep it. Throws "not_found". */
export async function deleteKeypair(store: StorePort, name: string, dryRun: boolean): Promise<PlanView | null> {
  return changeState(store, dryRun, `Forget keypair ${name}`, (draft) => {
    delete draft.keypairs[findKeypair(draft, name).name];
    return null;
  });
}

function recordOf(world: KeypairWorld, name: string, key: PublicKey): Keypair {
  return {
    name,
    type: key.type,
    publicKey: key.line,
    fingerprint: key.fingerprint,
    owner: world.user,
    createdAt: world.clock.now().toISOString(),
  };
}
