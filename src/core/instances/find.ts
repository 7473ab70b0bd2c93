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

/** The same, where libvirt may have no domain of one that we remember: it is shelved, or lost. Not both are null. */
export interface LookedUpInstance {
  readonly status: DomainStatus | null;
  readonly record: Instance | null;
  readonly state: State;
}

/** The instance of this id or name, whether libvirt still has it or not. Throws "not_found" where neither knows it, or both know another. */
export async function lookUpInstance(world: World, target: string): Promise<LookedUpInstance> {
  const [state, found] = await Promise.all([world.store.read(), world.host.domainStatus(target)]);
  // virsh also takes the number of a running domain, which is no name of ours.
  const status = found !== null && (found.uuid === target || found.name === target) ? found : null;
  if (status !== null) {
    requireUnambiguous(state, target, status);
    return { status, record: state.instances[status.uuid] ?? null, state };
  }
  const record = Object.values(state.instances).find((one) => one.id === target || one.name === target);
  if (record === undefined) {
    throw new EstratoError("not_found", `instance ${target}: not found`, { hint: 'See "estrato instance list".' });
  }
  // Remembered under a name that libvirt has changed since?
  return { status: await world.host.domainStatus(record.id), record, state };
}

/** Somebody may have given a domain the name of an instance that is shelved. */
function requireUnambiguous(state: State, target: string, { uuid }: DomainStatus): void {
  if (uuid === target) return;
  const other = Object.values(state.instances).find((one) => one.name === target && one.shelved !== null);
  if (other === undefined || other.id === uuid) return;
  throw new EstratoError("not_found", `instance ${target}: ambiguous: ${uuid}, ${other.id} (shelved)`, {
    hint: "Name one of these.",
  });
}

/** The id of the instance of this id or name: for what needs no domain. Throws "not_found". */
export async function instanceId(world: World, target: string): Promise<string> {
  const { status, record } = await lookUpInstance(world, target);
  return status?.uuid ?? record?.id ?? target;
}

/**
 * The instance of this id or name. Throws "not_found"; "conflict" where it is shelved; "integrity" where we remember one whose domain libvirt
 * has lost.
 */
export async function findInstance(world: World, target: string): Promise<FoundInstance> {
  const { status, record, state } = await lookUpInstance(world, target);
  if (record !== null && record.shelved !== null) {
    throw new EstratoError("conflict", `instance ${record.name}: it is shelved`, {
      hint: `Unshelve it first: estrato unshelve ${record.name}.`,
    });
  }
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
