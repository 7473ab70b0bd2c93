/** From what a person types to a domain of libvirt and what we remember of it. */
import { EstratoError } from "../../errors.ts";
import type { DomainStatus } from "../model/host.ts";
import { rowsNaming } from "../model/passing.ts";
import type { Instance, State } from "../model/state.ts";
import { notFound } from "../names.ts";
import type { HeldLocks, World } from "../ports.ts";
import { keepDefinition } from "./kept-definition.ts";
import { isMarked, markAsOurs, requireNoOthersMark } from "./marks.ts";

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

/**
 * The instance of this id or name, whether libvirt still has it or not. Throws "not_found" where neither knows it, or
 * both know another.
 */
export async function lookUpInstance(world: World, target: string, also?: "qemu"): Promise<LookedUpInstance> {
  const [state, found] = await Promise.all([world.store.read(), world.host.domainStatus(target, also)]);
  // virsh also takes the number of a running domain, which is no name of ours.
  const status = found !== null && (found.uuid === target || found.name === target) ? found : null;
  if (status !== null) {
    requireUnambiguous(state, target, status);
    return { status, record: state.instances[status.uuid] ?? null, state };
  }
  const record = Object.values(state.instances).find((one) => one.id === target || one.name === target);
  if (record === undefined) {
    const names = (await world.host.listDomains()).map(({ name }) => name);
    throw notFound("instance", target, [...names, ...Object.values(state.instances).map(({ name }) => name)]);
  }
  // Remembered under a name that libvirt has changed since?
  return { status: await world.host.domainStatus(record.id, also), record, state };
}

/** Somebody may have given a domain the name of an instance that is shelved. */
function requireUnambiguous(state: State, target: string, { uuid }: DomainStatus): void {
  if (uuid === target) return;
  const named = rowsNaming(state, "instances", [target]);
  const other = named.find((one) => one.name === target && one.shelved !== null);
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
 * The instance of this id or name. Throws "not_found"; "conflict" where it is shelved; "integrity" where we remember
 * one whose domain libvirt has lost.
 */
export async function findInstance(world: World, target: string): Promise<FoundInstance> {
  return requireThere(await lookUpInstance(world, target), target);
}

function requireThere({ status, record, state }: LookedUpInstance, target: string): FoundInstance {
  if (record !== null && record.shelved !== null) {
    throw new EstratoError("conflict", `instance ${record.name}: it is shelved`, {
      hint: `Unshelve it first: estrato unshelve ${record.name}.`,
    });
  }
  if (status !== null) return { status, record, state };
  throw new EstratoError("integrity", `instance ${target}: libvirt has no domain ${record?.id}`, {
    hint: isItsLibvirt(state)
      ? 'To define it again: "estrato doctor --repair"; to forget it: "estrato instance delete".'
      : 'Is it another libvirt\'s? See --connect, and "estrato doctor".',
  });
}

/**
 * Is it known that the libvirt which answers is the one whose domains these are? A store that is bound is read with its
 * own alone (binding/bound-store.ts); of one that is not, nobody can say that what is not there is lost.
 */
export function isItsLibvirt({ binding }: State): boolean {
  return binding !== null;
}

/** How an instance is looked at under its lock. */
export interface Look {
  /** With what QEMU has open, which waits for QEMU to answer. */
  readonly also?: "qemu";
  /** What a person called it, where only our own record was asked whom that means. */
  readonly meant?: string;
}

/** What was looked at is not what was meant, or is not there: only libvirt can tell what is. */
export class OtherMeant extends Error {}

/**
 * Reads a domain once more that is being changed. Throws as findInstance, and as requireNoneLost; OtherMeant where
 * libvirt does not call it as it is `meant`.
 */
export async function findNow(world: World, uuid: string, { also, meant }: Look = {}): Promise<FoundInstance> {
  const looked = await lookUpInstance(world, uuid, also);
  if (meant !== undefined && meant !== uuid && meant !== looked.status?.name) throw new OtherMeant();
  const found = requireThere(looked, uuid);
  await requireNoneLost(world, [found.status]);
  return found;
}

/** The same, and its newest definition is kept: others than us may have changed it. */
export async function findKept(world: World, uuid: string, look: Look = {}): Promise<FoundInstance> {
  const found = await findNow(world, uuid, look);
  await keepDefinition(world, found.state, found.status);
  return found;
}

/**
 * The same, now that its lock is held and it is to be changed: where we remember it, it bears our mark from now on.
 * Throws "conflict" besides where it bears another store's.
 */
export async function findAgain(world: World, locks: HeldLocks, uuid: string, look: Look = {}): Promise<FoundInstance> {
  const found = await findKept(world, uuid, look);
  return found.record === null ? found : marked(world, locks, found, look);
}

/** A store of before there were marks gives it one here, and where somebody has defined the guest without it. */
async function marked(world: World, locks: HeldLocks, found: FoundInstance, { also }: Look): Promise<FoundInstance> {
  const { state, status } = found;
  await requireNoOthersMark(world, state, status);
  if (world.dryRun || !status.persistent || isMarked(state, status)) return found;
  await markAsOurs(world, locks, status);
  const again = requireThere(await lookUpInstance(world, status.uuid, also), status.uuid);
  await requireNoOthersMark(world, again.state, again.status);
  return again;
}

/**
 * Throws "integrity" where a guest runs though libvirt says that it is off: its disks change while we take them for at
 * rest.
 */
export async function requireNoneLost(world: World, statuses: readonly DomainStatus[]): Promise<void> {
  const lost = await lostAmong(world, statuses);
  for (const { uuid, name } of statuses) {
    const words = lost.get(uuid);
    if (words !== undefined)
      throw new EstratoError("integrity", `instance ${name}: ${words}`, { hint: `See ${LOST_PAGE}.` });
  }
}

/** Where people read how such a guest is found again. */
export const LOST_PAGE = '"man estrato-recovery", A GUEST THAT LIBVIRT HAS LOST';

/** What is said of those that libvirt has lost, by UUID. */
export async function lostAmong(world: World, statuses: readonly DomainStatus[]): Promise<Map<string, string>> {
  const off = statuses.filter((status) => !isLive(status)).map(({ uuid }) => uuid);
  if (off.length === 0) return new Map();
  const words = (pid: number) => `libvirt says that it is off, but its QEMU runs (process ${pid})`;
  return new Map([...(await world.host.strayProcesses(off))].map(([uuid, pid]) => [uuid, words(pid)]));
}

/** Is QEMU running for it, paused or not? */
export function isLive(status: DomainStatus): boolean {
  return status.live !== null;
}
