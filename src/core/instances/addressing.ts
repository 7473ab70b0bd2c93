/** What the interfaces of a new instance get: a network, a MAC and an address; or those that it had. */
import { EstratoError } from "../../errors.ts";
import type { NetworkInfo } from "../model/host.ts";
import type { Instance, State } from "../model/state.ts";
import { chooseAddress, lockNetworks, requireNetwork, reservationName } from "../networks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { readNetworks } from "./addresses.ts";
import { hostnameOf } from "./hostname.ts";
import type { InstanceIdentity } from "./identity.ts";

/** The interface of a new instance: its network's name, and a MAC of its own. */
export interface NewInterface {
  readonly network: string;
  readonly mac: string;
}

/** An address on the books of a network. */
export interface Reservation extends NewInterface {
  readonly ip: string;
  readonly name: string;
}

/** Of what a person says about a new instance. */
interface AddressWish {
  readonly name: string;
  readonly network: { readonly name: string } | null;
  readonly ip: string | null;
  readonly start: boolean;
  readonly as?: InstanceIdentity;
}

/** The network that a definition names. */
interface Inherited {
  readonly network: string | null;
}

export interface Addressing {
  /** The first; null: it has none, or those that it had. */
  readonly interface: NewInterface | null;
  readonly reservations: readonly Reservation[];
  /** Those of them that are not on the books yet: whoever undoes it takes them off again. */
  readonly made: readonly Reservation[];
}

/** Where nobody has set another. */
const USUAL_NETWORK = "default";
const AGAIN = "Define that network again as it was; or make another instance of it: --instance NAME.";

/** The networks that it will be on. Throws "usage" for one that its definition does not have. */
export function networksFor(
  { usualNetwork }: Pick<World, "usualNetwork">,
  options: AddressWish,
  inherited: Inherited | null,
): string[] {
  if (options.as !== undefined) return networksOf(options.as);
  const name = chooseNetwork(options, inherited, usualNetwork ?? USUAL_NETWORK);
  return name === null ? [] : [name];
}

function networksOf({ interfaces, addresses }: InstanceIdentity): string[] {
  const names = [...interfaces, ...addresses].flatMap(({ network }) => (network === null ? [] : [network]));
  return [...new Set(names)];
}

/** Held while addresses are chosen and until they are recorded. */
export function lockAddresses(world: World, networks: readonly string[]): Promise<HeldLocks> | null {
  return networks.length === 0 ? null : lockNetworks(world, networks);
}

/**
 * Under the networks' locks, which `state` was read under too. Throws "conflict" for an address that somebody has, and
 * what `requireNetwork` and `chooseAddress` throw; changes nothing.
 */
export async function planAddressing(
  world: World,
  state: State,
  uuid: string,
  options: AddressWish,
  networks: readonly string[],
): Promise<Addressing> {
  const { name, as, start } = options;
  if (as !== undefined) return ownAddressing(world, state, name, as, start);
  const [first] = networks;
  if (first === undefined) return { interface: null, reservations: [], made: [] };
  const network = await requireNetwork(world, first);
  const nic: NewInterface = { network: network.name, mac: world.ids.mac() };
  const ip = chooseAddress(state, network, options.ip);
  if (ip === null) {
    world.report.note(
      `network ${nic.network}: libvirt serves no addresses there; ${name} keeps its MAC ${nic.mac} only`,
    );
    return { interface: nic, reservations: [], made: [] };
  }
  const reservation = { ...nic, ip, name: reservationName(network, hostnameOf(name), uuid) };
  return { interface: nic, reservations: [reservation], made: [reservation] };
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
  return { interface: null, reservations, made: reservations.filter((one) => !isThere(one)) };
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

/** The one that was asked for, else that of the source's definition, else the usual one. */
function chooseNetwork(options: AddressWish, inherited: Inherited | null, usual: string): string | null {
  const own = inherited === null ? usual : (inherited.network ?? "none");
  const name = options.network?.name ?? own;
  if (name !== "none") return name;
  if (options.ip === null) return null;
  throw new EstratoError("usage", `address ${options.ip}: without a network there is none`, {
    hint: "Leave out --ip, or choose a network.",
  });
}

/** As the record of the instance holds them. */
export function addressesOf({ reservations }: Addressing): Instance["addresses"] {
  return reservations.map(({ network, mac, ip }) => ({ network, mac, ip }));
}
