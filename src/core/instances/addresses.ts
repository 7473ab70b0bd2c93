/** The addresses of an instance: what is reserved for it, then what its agent says, then what it has leased. */
import type { NetworkInfo } from "../model/host.ts";
import type { Instance } from "../model/state.ts";
import type { World } from "../ports.ts";

/** An interface as far as finding its address goes. */
export interface Nic {
  readonly mac: string;
  readonly network: string | null;
}

/** Networks that were read once for many instances. */
export type Networks = ReadonlyMap<string, NetworkInfo>;

/** Reads these networks; those that are gone are left out. */
export async function readNetworks(world: World, names: Iterable<string>): Promise<Networks> {
  const found = new Map<string, NetworkInfo>();
  for (const name of new Set(names)) {
    const network = await world.host.network(name);
    if (network !== null) found.set(name, network);
  }
  return found;
}

/** Networks that must be asked: of interfaces for which nothing is recorded. */
export function networksToAsk(record: Instance | null, nics: readonly Nic[]): string[] {
  const known = new Set(record?.addresses.map((address) => address.mac));
  return nics.flatMap((nic) => (nic.network === null || known.has(nic.mac) ? [] : [nic.network]));
}

/** Our reservations, then libvirt's, for these interfaces. */
export function reservedAddresses(record: Instance | null, nics: readonly Nic[], networks: Networks): string[] {
  const own = record?.addresses.map((address) => address.ip) ?? [];
  const others = nics.flatMap((nic) => {
    const reservations = networks.get(nic.network ?? "")?.reservations ?? [];
    return reservations.filter((one) => one.mac === nic.mac.toLowerCase()).map((one) => one.ip);
  });
  return [...new Set([...own, ...others])];
}

/** libvirt tells whole seconds, and a process and a lease are dated by two clocks. */
const CLOCKS_MS = 2_000;

/** `since`: only what was given after that, where it is told. */
export function leasedAddresses(nics: readonly Nic[], networks: Networks, since: Date | null = null): string[] {
  const leastMs = since === null ? null : since.getTime() - CLOCKS_MS;
  const isNew = (givenAt: string | null | undefined) =>
    givenAt == null || leastMs === null || new Date(givenAt).getTime() >= leastMs;
  return nics.flatMap((nic) => {
    const leases = networks.get(nic.network ?? "")?.leases ?? [];
    return leases.filter(({ mac, givenAt }) => mac === nic.mac.toLowerCase() && isNew(givenAt)).map(({ ip }) => ip);
  });
}

/** What the agent of a running guest says, without addresses that no one else can reach; [] where none answers. */
export async function agentAddresses(world: World, uuid: string): Promise<string[]> {
  const found = (await world.host.agentAddresses(uuid).catch(() => null)) ?? [];
  return found.filter((address) => !/^(127\.|169\.254\.|::1$|fe80:)/i.test(address));
}
