/** What the interfaces of a new instance get: a network, a MAC and an address; or those that it had. */
import { EstratoError } from "../../errors.ts";
import type { NetworkInfo } from "../model/host.ts";
import type { Instance, State } from "../model/state.ts";
import { chooseAddress, lockNetworks, reservationName } from "../networks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { readNetworks } from "./addresses.ts";
import { hostnameOf } from "./hostname.ts";
import type { InstanceIdentity } from "./identity.ts";
import { type AddressWish, hasUser, networksOf } from "./network-choice.ts";
import type { NetworkWish } from "./network-wish.ts";
import { type Addressing, planCards, planUserNetwork, type Reservation } from "./new-cards.ts";

const NOTHING: Addressing = { cards: [], reservations: [], made: [], userNetwork: undefined, networkConfig: null };

const AGAIN = "Define that network again as it was; or make another instance of it: --instance NAME.";

/** Held while addresses and ports are chosen and until they are recorded. Nobody gives out those of a bridge. */
export function lockAddresses(world: World, wishes: readonly NetworkWish[]): Promise<HeldLocks> | null {
  const names = wishes.filter(({ bridge }) => bridge !== true).map(({ name }) => name);
  return names.length === 0 ? null : lockNetworks(world, [...new Set(names)].sort());
}

/**
 * Under the networks' locks, which `state` was read under too. Throws what `planCards` and `ownAddressing` throw;
 * changes nothing.
 */
export async function planAddressing(
  world: World,
  state: State,
  uuid: string,
  options: AddressWish,
  wishes: readonly NetworkWish[],
): Promise<Addressing> {
  const { name, as, start } = options;
  if (as !== undefined) return ownAddressing(world, state, name, as, start);
  return wishes.length === 0 ? NOTHING : planCards(world, state, uuid, options, wishes);
}

/**
 * The addresses that an instance had. Throws "host" where a network of it is not here, or is not what it was, and
 * "conflict" where an address or a MAC is on the books for somebody else; a reservation of that very MAC and address is
 * its own, left here when it went.
 */
export async function ownAddressing(
  world: World,
  state: State,
  name: string,
  as: InstanceIdentity,
  start: boolean,
): Promise<Addressing> {
  const networks = await readNetworks(world, [...networksOf(as), ...(await world.host.listNetworks())]);
  for (const one of networksOf(as)) requireUsable(networks.get(one), one, [...networks.keys()], name, start);
  requireUnreserved([...networks.values()], name, as);
  const reservations = as.addresses.map(({ network: of, mac, ip }): Reservation => {
    const network = networks.get(of) as NetworkInfo;
    requireFreeAddress(state, network, name, { mac, ip });
    const known = network.reservations.find((one) => one.mac === mac)?.name;
    return { network: of, mac, ip, name: known ?? reservationName(network, hostnameOf(name), as.uuid) };
  });
  const isThere = ({ network, mac, ip }: Reservation) =>
    networks.get(network)?.reservations.some((one) => one.mac === mac && one.ip === ip) ?? false;
  const userNetwork = hasUser(as) ? await planUserNetwork(world, state, as.uuid, []) : undefined;
  return { ...NOTHING, userNetwork, reservations, made: reservations.filter((one) => !isThere(one)) };
}

function requireUsable(
  network: NetworkInfo | undefined,
  of: string,
  known: readonly string[],
  name: string,
  start: boolean,
): void {
  if (network === undefined) {
    const there = known.length === 0 ? "" : ` (there is: ${known.join(", ")})`;
    throw new EstratoError("host", `instance ${name}: its network ${of} is not here${there}`, { hint: AGAIN });
  }
  if (network.active || !start) return;
  throw new EstratoError("host", `instance ${name}: its network ${of} is not active`, {
    hint: `Start it: virsh net-start ${of}.`,
  });
}

function requireUnreserved(networks: readonly NetworkInfo[], name: string, as: InstanceIdentity): void {
  const macs = new Set(as.interfaces.map(({ mac }) => mac));
  for (const network of networks) {
    for (const one of network.reservations) {
      const own = as.addresses.find(
        ({ network: of, mac, ip }) => of === network.name && (mac === one.mac || ip === one.ip),
      );
      const isItself = own !== undefined && own.mac === one.mac && own.ip === one.ip;
      if (isItself || (own === undefined && !macs.has(one.mac))) continue;
      const is = `reserved for ${one.mac}${one.name === null ? "" : ` (${one.name})`}`;
      throw new EstratoError("conflict", `instance ${name}: on network ${network.name} ${one.ip} is ${is}`, {
        hint: `It had ${own === undefined ? "that MAC" : `${own.ip}, as ${own.mac}`}. Take that off the network's books, or make another instance of it: --instance NAME.`,
      });
    }
  }
}

/** What its own reservation and its own lease say is no one else's. */
function requireFreeAddress(
  state: State,
  network: NetworkInfo,
  name: string,
  { mac, ip }: { readonly mac: string; readonly ip: string },
): void {
  const others = (all: readonly { readonly mac: string; readonly ip: string }[]) =>
    all.filter((one) => one.mac.toLowerCase() !== mac);
  const reservations = network.reservations.filter((one) => one.mac !== mac);
  try {
    chooseAddress(state, { ...network, reservations, leases: others(network.leases) }, ip);
  } catch (error) {
    if (!(error instanceof EstratoError)) throw error;
    const code = error.code === "usage" ? "host" : error.code;
    throw new EstratoError(code, `instance ${name}: its ${error.message}`, { hint: AGAIN, cause: error });
  }
}

/** As the record of the instance holds them. */
export function addressesOf({ reservations }: Addressing): Instance["addresses"] {
  return reservations.map(({ network, mac, ip }) => ({ network, mac, ip }));
}
