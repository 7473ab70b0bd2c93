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

/** The same, where libvirt may have lost the domain of one that we remember. Not both are null. */
export interface LookedUpInstance {
  readonly status: DomainStatus | null;
  readonly record: Instance | null;
  readonly state: State;
}

/** The instance of this id or name, whether libvirt still has it or not. Throws "not_found" where neither knows it. */
export async function lookUpInstance(world: World, target: string): Promise<LookedUpInstance> {
  const [state, found] = await Promise.all([world.store.read(), world.host.domainStatus(target)]);
  // virsh also takes the number of a running domain, which is no name of ours.
  const status = found !== null && (found.uuid === target || found.name === target) ? found : null;
  if (status !== null) return { status, record: state.instances[status.uuid] ?? null, state };
  const record = Object.values(state.instances).find((one) => one.id === target || one.name === target);
  if (record === undefined) {
    throw new EstratoError("not_found", `instance ${target}: not found`, { hint: 'See "estrato instance list".' });
  }
  // Remembered under a name that libvirt has changed since?
  return { status: await world.host.domainStatus(record.id), record, state };
}

/** The instance of this id or name. Throws "not_found", or "integrity" where we remember one whose domain libvirt has lost. */
export async function findInstance(world: World, target: string): Promise<FoundInstance> {
  const { status, record, state } = await lookUpInstance(world, target);
  if (status !== null) return { status, record, state };
  throw new EstratoError("integrity", `instance ${target}: libvirt has no domain ${record?.id}`, {
    hint: 'Run "estrato doctor" to see what can be mended, or "estrato instance delete" to forget it.',
  });
}

/** Reads a domain again, now that its lock is held. */
export async function findAgain(world: World, uuid: string): Promise<FoundInstance> {
  return findInstance(world, uuid);
}

/** Is QEMU running for it, paused or not? */
export function isLive(status: DomainStatus): boolean {
  return status.live !== null;
}
