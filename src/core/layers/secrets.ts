/** libvirt's secrets that open encrypted layers: each is there as long as a layer names it, and no longer. */
import { EstratoError } from "../../errors.ts";
import type { Action } from "../model/action.ts";
import type { SecretSummary } from "../model/host.ts";
import type { State } from "../model/state.ts";
import { perform } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";

/** One libvirt may serve several stores: each knows its own secrets by this. */
function mark(world: World): string {
  return `estrato ${world.store.paths.home}: `;
}

/** Is it one of this store's? */
export function isOurs(world: World, secret: SecretSummary): boolean {
  return secret.description.startsWith(mark(world));
}

/** Gives libvirt a secret of that id whose value is the passphrase in `file`. */
export function defineSecret(world: World, secret: string, what: string, file: string): Action {
  return { do: "define-secret", secret, description: `${mark(world)}${what}`, file };
}

/** Does any layer need it? */
export function isNamed(state: State, secret: string): boolean {
  return Object.values(state.layers).some((layer) => layer.secret === secret);
}

/** Takes a secret away from libvirt where no layer names it any more. Null: a plain layer's. Idempotent. */
export async function forgetSecret(world: World, locks: HeldLocks, secret: string | null): Promise<void> {
  if (secret === null || isNamed(await world.store.read(), secret)) return;
  await perform(world, locks, [{ do: "undefine-secret", secret }]);
}

/** Throws "host" where libvirt no longer has the secret that opens these layers: nothing has been begun then. */
export async function requireSecrets(
  world: World,
  layers: readonly { readonly secret: string | null }[],
): Promise<void> {
  const needed = new Set(layers.flatMap(({ secret }) => (secret === null ? [] : [secret])));
  if (needed.size === 0) return;
  for (const { uuid } of await world.host.listSecrets()) needed.delete(uuid);
  const [missing] = needed;
  if (missing === undefined) return;
  throw new EstratoError("host", `secret ${missing}, which opens an encrypted disk: libvirt has no such secret`, {
    hint: 'Give it to libvirt again, with its passphrase: see "man estrato-concepts", Encryption.',
  });
}
