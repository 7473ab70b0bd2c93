/** From what a person types to a domain of libvirt and what we remember of it. */
import { EstratoError } from "../../errors.ts";
import type { DomainStatus } from "../../host/types.ts";
import type { Instance, State } from "../../store/schema.ts";
import type { World } from "../ports.ts";

export interface FoundInstance {
  readonly status: DomainStatus;
  /** Null for a guest that estrato has not adopted. */
  readonly record: Instance | null;
  readonly state: State;
}

/** The instance of this id or name. Throws "not_found", or "integrity" where we remember one whose domain libvirt has lost. */
export async function findInstance(world: World, target: string): Promise<FoundInstance> {
  const [state, status] = await Promise.all([world.store.read(), world.host.domainStatus(target)]);
  if (status !== null) return { status, record: state.instances[status.uuid] ?? null, state };
  const lost = Object.values(state.instances).find((one) => one.id === target || one.name === target);
  if (lost !== undefined) {
    throw new EstratoError("integrity", `instance ${target}: libvirt has no domain ${lost.id}`, {
      hint: 'Run "estrato doctor" to see what can be mended, or "estrato instance delete" to forget it.',
    });
  }
  throw new EstratoError("not_found", `instance ${target}: not found`, { hint: 'See "estrato instance list".' });
}

/** Reads a domain again, now that its lock is held. */
export async function findAgain(world: World, uuid: string): Promise<FoundInstance> {
  return findInstance(world, uuid);
}

/** Is QEMU running for it, paused or not? */
export function isLive(status: DomainStatus): boolean {
  return status.live !== null;
}
