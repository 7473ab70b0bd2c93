/** Waiting until a guest's ssh server answers: behind a start or a revert it is a while before it does. */
import { EstratoError } from "../../errors.ts";
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

/** Where the guest is, by what is known now. Throws "not_found" where no address is known of it. */
export async function sshAddress(world: World, { status, record }: FoundInstance): Promise<string> {
  const address = (await addressesOf(world, status, record))[0];
  if (address !== undefined) return address;
  throw new EstratoError("not_found", `instance ${status.name}: no address is known of it`, {
    hint: `Wait for one: estrato wait instance ${status.name} --for address. Or use "estrato instance console ${status.name}".`,
  });
}

/**
 * Returns the address at which the guest's ssh server greets. It is looked up anew each time, since a guest that boots
 * may take another than it had. Throws "unreachable" where none greets within `timeoutMs`; "conflict" at once where it
 * is off; "not_found" where it has no address then, or can have none. Changes nothing.
 */
export async function waitForSsh(world: World, target: string, timeoutMs: number): Promise<string> {
  const startMs = world.clock.now().getTime();
  const leftMs = () => timeoutMs - (world.clock.now().getTime() - startMs);
  for (let pauseMs = FIRST_PAUSE_MS, lookMs = FIRST_LOOK_MS; ; pauseMs *= 1.5, lookMs *= 2) {
    const isLast = leftMs() <= 0;
    const found = await findInstance(world, target);
    const { name, live } = found.status;
    if (live === null) throw isOff(name);
    const address = await sshAddress(world, found).catch((error: unknown) => {
      if (isLast || live.interfaces.length === 0) throw error;
      return null; // a guest that has just been started has not asked for one
    });
    const what = address === null ? `an address of ${name}` : `ssh of ${name} at ${address}`;
    world.report.progress(`Waiting for ${what}`, null);
    if (address !== null) {
      const limitMs = Math.max(FIRST_LOOK_MS, Math.min(lookMs, LAST_LOOK_MS, leftMs()));
      if (await world.host.sshGreets(address, limitMs, world.signal)) return address;
      if (isLast) throw silent(name, address, timeoutMs);
    }
    await world.clock.sleep(Math.max(0, Math.min(pauseMs, LAST_PAUSE_MS, leftMs())), world.signal);
  }
}

function silent(name: string, address: string, timeoutMs: number): EstratoError {
  return new EstratoError(
    "unreachable",
    `instance ${name}: no ssh server answers at ${address}, port 22, within ${Math.round(timeoutMs / 1000)} s`,
    { hint: `See what the guest does with "estrato instance log ${name}", or wait longer with --timeout.` },
  );
}
