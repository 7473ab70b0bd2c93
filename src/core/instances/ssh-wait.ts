/** Waiting until a guest's ssh server answers: behind a start or a revert it is a while before it does. */
import { EstratoError } from "../../errors.ts";
import { reachedAt, SSH_PORT, sshForward } from "../forwards/forward.ts";
import type { DomainStatus, Endpoint } from "../model/host.ts";
import type { Instance } from "../model/state.ts";
import type { World } from "../ports.ts";
import { type FoundInstance, findInstance } from "./find.ts";
import { isOff } from "./power.ts";
import { addressesOf } from "./show.ts";

export const DEFAULT_SSH_WAIT_MS = 60_000;

const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 1_000;
/**
 * A busy guest may take seconds between the connection and the greeting; nobody at all answers at an address that it
 * has left.
 */
const FIRST_LOOK_MS = 1_000;
const LAST_LOOK_MS = 10_000;

/**
 * Where its ssh is reached, by what is known now: at the port of this host that leads there, else at its address.
 * Throws "not_found" where no address is known of it.
 */
export async function sshEndpoint(world: World, { status, record }: FoundInstance): Promise<Endpoint> {
  const known = await knownEndpoint(world, status, record);
  if (known !== null) return known;
  throw new EstratoError("not_found", `instance ${status.name}: no address is known of it`, {
    hint: `Wait for one: estrato wait instance ${status.name} --for address. Or use "estrato instance console ${status.name}".`,
  });
}

/** The same; null where no address is known of it. */
export async function knownEndpoint(
  world: World,
  status: DomainStatus,
  record: Instance | null,
): Promise<Endpoint | null> {
  const forward = sshForward(record);
  if (forward !== null) return reachedAt(forward);
  const [address] = await addressesOf(world, status, record);
  return address === undefined ? null : { address, port: SSH_PORT };
}

/** Where it is, for people: the port is said where it is not ssh's own. */
function placeOf({ address, port }: Endpoint): string {
  return port === SSH_PORT ? address : `${address}:${port}`;
}

/**
 * Returns the place at which the guest's ssh server greets. It is looked up anew each time, since a guest that boots
 * may take another than it had. Throws "unreachable" where none greets within `timeoutMs`; "conflict" at once where it
 * is off; "not_found" where it has no address then, or can have none. Changes nothing.
 */
export async function waitForSsh(world: World, target: string, timeoutMs: number): Promise<Endpoint> {
  const startMs = world.clock.elapsedMs();
  const leftMs = () => timeoutMs - (world.clock.elapsedMs() - startMs);
  for (let pauseMs = FIRST_PAUSE_MS, lookMs = FIRST_LOOK_MS; ; pauseMs *= 1.5, lookMs *= 2) {
    const isLast = leftMs() <= 0;
    const found = await findInstance(world, target);
    const { name, live } = found.status;
    if (live === null) throw isOff(name);
    const place = await sshEndpoint(world, found).catch((error: unknown) => {
      if (isLast || live.interfaces.length === 0) throw error;
      return null; // a guest that has just been started has not asked for one
    });
    const what = place === null ? `an address of ${name}` : `ssh of ${name} at ${placeOf(place)}`;
    world.report.progress(`Waiting for ${what}`, null);
    if (place !== null) {
      const limitMs = Math.max(FIRST_LOOK_MS, Math.min(lookMs, LAST_LOOK_MS, leftMs()));
      if (await world.host.sshGreets(place, limitMs, world.signal)) return place;
      if (isLast) throw silent(name, place, timeoutMs);
    }
    await world.clock.sleep(Math.max(0, Math.min(pauseMs, LAST_PAUSE_MS, leftMs())), world.signal);
  }
}

function silent(name: string, { address, port }: Endpoint, timeoutMs: number): EstratoError {
  return new EstratoError(
    "unreachable",
    `instance ${name}: no ssh server answers at ${address}, port ${port}, within ${Math.round(timeoutMs / 1000)} s`,
    { hint: `See what the guest does with "estrato instance log ${name}", or wait longer with --timeout.` },
  );
}
