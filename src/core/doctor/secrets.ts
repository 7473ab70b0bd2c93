/** Compares the secrets that layers name with those that libvirt holds. */
import { EstratoError } from "../../errors.ts";
import { standingOn } from "../graph/references.ts";
import { isNamed, isOurs } from "../layers/secrets.ts";
import type { State } from "../model/state.ts";
import { perform } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { type Finding, unmendable } from "./finding.ts";

/** libvirt has every secret that opens a layer. Asks it only where there are encrypted ones. */
export async function examineSecrets(world: World, state: State): Promise<Finding[]> {
  const needed = new Map<string, string[]>();
  for (const { id, secret } of Object.values(state.layers)) {
    if (secret !== null) needed.set(secret, [...(needed.get(secret) ?? []), ...standingOn(state, id)]);
  }
  if (needed.size === 0) return [];
  for (const { uuid } of await world.host.listSecrets()) needed.delete(uuid);
  return [...needed].map(([secret, users]) =>
    unmendable(
      `secret ${secret}`,
      `libvirt does not have it, and without it these cannot be read: ${[...new Set(users)].join(", ")}`,
      'Give it to libvirt again, with its passphrase: see "man estrato-concepts", Encryption.',
    ),
  );
}

/** Secrets of ours that open nothing. A copy of a disk may have been kept elsewhere: they go only after a yes. */
export async function orphanSecrets(world: World, state: State): Promise<Finding[]> {
  const orphans = (await world.host.listSecrets()).filter((one) => isOurs(world, one) && !isNamed(state, one.uuid));
  return orphans.map(({ uuid, description }) => ({
    subject: `secret ${uuid}`,
    problem: `libvirt holds it, and no disk needs it (${description})`,
    remedy: "Remove the secret.",
    mending: {
      locks: [],
      loses: [`the passphrase in secret ${uuid} (${description})`],
      mend: async (w, locks) => {
        const pending = await w.store.journal.list();
        if (pending.length > 0 || isNamed(await w.store.read(), uuid)) {
          throw new EstratoError("conflict", `secret ${uuid}: another operation is in progress`, {
            hint: "Run doctor again after it.",
          });
        }
        await perform(w, locks, [{ do: "undefine-secret", secret: uuid }]);
      },
    },
  }));
}
