/**
 * Addresses of libvirt's networks. Ours are reserved before the first boot, so that they are known and stay, and two
 * clones with one machine-id don't get the same lease (LIBVIRT.md, "Addresses"). libvirt checks none of what is refused
 * here.
 */
import { isIPv4 } from "node:net";
import { didYouMean } from "../did-you-mean.ts";
import { EstratoError } from "../errors.ts";
import type { NetworkInfo } from "./model/host.ts";
import type { State } from "./model/state.ts";
import type { HeldLocks, LibvirtPort, World } from "./ports.ts";

/** Choosing and recording an address takes milliseconds, but many creates may stand in line. */
const LOCK_TIMEOUT_MS = 90_000;

/** The network of this name. Throws "not_found" where there is none. */
export async function findNetwork(
  host: Pick<LibvirtPort, "network" | "listNetworks">,
  name: string,
): Promise<NetworkInfo> {
  const network = await host.network(name);
  if (network !== null) return network;
  const known = await host.listNetworks();
  const there = known.length === 0 ? "libvirt has none here" : `There is: ${known.join(", ")}`;
  throw new EstratoError("not_found", `network ${name}: not found`, {
    hint: didYouMean(name, known, `${there}; --network user or none needs none.`),
  });
}

/** The same; throws "host" where it is not active, too. */
export async function requireNetwork(world: World, name: string): Promise<NetworkInfo> {
  const network = await findNetwork(world.host, name);
  if (!network.active) {
    throw new EstratoError("host", `network ${name}: it is not active`, { hint: `Start it: virsh net-start ${name}.` });
  }
  return network;
}

/** Held while addresses are chosen and until they are recorded. Others wait rather than fail: it is short. */
export function lockNetworks(world: World, names: readonly string[]): Promise<HeldLocks> {
  const locks = names.map((name) => `network-${name}`);
  return world.store.lock(locks, Math.max(LOCK_TIMEOUT_MS, world.lockTimeoutMs));
}

/**
 * The address that a new interface gets: `asked`, or the first of the range that nobody has.
 * Null where libvirt serves no addresses on this network. Throws "usage" for an address that is none of this network,
 * "conflict" for one that somebody has, "host" where none is left.
 */
export function chooseAddress(state: State, network: NetworkInfo, wanted: string | null): string | null {
  const { dhcp } = network;
  if (wanted !== null && !isIPv4(wanted)) {
    throw new EstratoError("usage", `address ${JSON.stringify(wanted)}: not an IPv4 address`, {
      hint: "Write it like 192.168.122.50.",
    });
  }
  if (dhcp === null) {
    if (wanted === null) return null;
    throw new EstratoError("conflict", `address ${wanted}: libvirt serves no addresses on network ${network.name}`, {
      hint: "Set the address inside the guest, or choose another network.",
    });
  }
  const taken = takenAddresses(state, network);
  if (wanted !== null) return checkedAddress(network.name, dhcp, taken, wanted);
  for (let number = toNumber(dhcp.start); number <= toNumber(dhcp.end); number += 1) {
    const ip = toAddress(number);
    if (ip !== dhcp.gateway && !taken.has(ip)) return ip;
  }
  throw new EstratoError("host", `network ${network.name}: no address from ${dhcp.start} to ${dhcp.end} is left`, {
    hint: "Delete an instance that has one, or widen the range of the network.",
  });
}

/**
 * Who has what: reservations and leases as libvirt knows them, and what is recorded for instances of ours, defined or
 * not.
 */
function takenAddresses(state: State, network: NetworkInfo): Map<string, string> {
  const taken = new Map<string, string>();
  for (const lease of network.leases) taken.set(lease.ip, `leased to ${lease.mac}`);
  for (const one of network.reservations) taken.set(one.ip, `reserved for ${one.name ?? one.mac}`);
  for (const instance of Object.values(state.instances)) {
    for (const address of instance.addresses) {
      if (address.network === network.name) taken.set(address.ip, `reserved for ${instance.name}`);
    }
  }
  return taken;
}

function checkedAddress(
  network: string,
  dhcp: NonNullable<NetworkInfo["dhcp"]>,
  taken: ReadonlyMap<string, string>,
  wanted: string,
): string {
  const size = 2 ** (32 - dhcp.prefix);
  const first = Math.floor(toNumber(dhcp.gateway) / size) * size;
  const number = toNumber(wanted);
  const hint = `Choose one from ${dhcp.start} to ${dhcp.end}, or leave --ip out.`;
  if (number < first || number >= first + size) {
    throw new EstratoError(
      "usage",
      `address ${wanted}: outside network ${network} (${toAddress(first)}/${dhcp.prefix})`,
      { hint },
    );
  }
  const role =
    wanted === dhcp.gateway
      ? "the gateway"
      : number === first
        ? "the network's own address"
        : number === first + size - 1
          ? "the broadcast address"
          : null;
  if (role !== null)
    throw new EstratoError("usage", `address ${wanted}: it is ${role} of network ${network}`, { hint });
  const who = taken.get(wanted);
  if (who !== undefined) throw new EstratoError("conflict", `address ${wanted}: it is ${who}`, { hint });
  return wanted;
}

/** A name for the reservation: libvirt refuses a second one of the same name on a network. */
export function reservationName(network: NetworkInfo, hostname: string, uuid: string): string {
  return network.reservations.some((one) => one.name === hostname)
    ? `${hostname.slice(0, 50)}-${uuid.slice(0, 8)}`
    : hostname;
}

function toNumber(ip: string): number {
  return ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toAddress(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}
