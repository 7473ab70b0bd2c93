/** What the interfaces of a new instance get: a network, a MAC and an address; or those that it had. */
import { EstratoError } from "../../errors.ts";
import { SSH_PORT } from "../forwards/forward.ts";
import { chooseSshForward, requireFree, USER_NETWORK } from "../forwards/free-ports.ts";
import type { Forward, NetworkInfo, NewCard } from "../model/host.ts";
import type { Instance, State } from "../model/state.ts";
import { chooseAddress, lockNetworks, requireNetwork, reservationName } from "../networks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { readNetworks } from "./addresses.ts";
import { hostnameOf } from "./hostname.ts";
import type { InstanceIdentity } from "./identity.ts";
import { networkConfig, type ToldCard } from "./network-config.ts";
import { type NetworkWish, NO_NETWORK, staticAddress } from "./network-wish.ts";

/** An address on the books of a network. */
export interface Reservation {
  readonly network: string;
  readonly mac: string;
  readonly ip: string;
  readonly name: string;
}

/** Of what a person says about a new instance. */
interface AddressWish {
  readonly name: string;
  readonly network: NetworkWish | null;
  /** Besides that one. */
  readonly further?: readonly NetworkWish[];
  readonly ip: string | null;
  readonly forwards?: readonly Forward[];
  readonly start: boolean;
  readonly as?: InstanceIdentity;
}

/** The network that a definition names. */
interface Inherited {
  readonly network: string | null;
}

export interface Addressing {
  /** None: it has none, or those that it had. */
  readonly cards: readonly NewCard[];
  readonly reservations: readonly Reservation[];
  /** Those of them that are not on the books yet: whoever undoes it takes them off again. */
  readonly made: readonly Reservation[];
  readonly userNetwork: Instance["userNetwork"];
  /** For its seed; null: the guest finds out by itself. */
  readonly networkConfig: string | null;
}

const NOTHING: Addressing = { cards: [], reservations: [], made: [], userNetwork: undefined, networkConfig: null };

/** Where nobody has set another. */
const USUAL_NETWORK = "default";
const AGAIN = "Define that network again as it was; or make another instance of it: --instance NAME.";

/** The networks that it will be on. Throws "usage" for what its definition, or another network, does not go with. */
export function networksFor(
  { usualNetwork }: Pick<World, "usualNetwork">,
  options: AddressWish,
  inherited: Inherited | null,
): NetworkWish[] {
  const { as } = options;
  if (as !== undefined) return [...networksOf(as), ...(hasUser(as) ? [USER_NETWORK] : [])].map((name) => ({ name }));
  const first = chooseNetwork(options, inherited, usualNetwork ?? USUAL_NETWORK);
  const wishes = [...(first === null ? [] : [first]), ...(options.further ?? [])];
  const users = wishes.filter(isUser);
  if (users.length > 1) throw contradiction("--network user", "an instance has one of that kind", "Say it once.");
  if (users.length === 0 && (options.forwards ?? []).length > 0)
    throw contradiction("--forward", "ports lead to an instance on the network user", "Add --network user.");
  if (options.further?.some(isNone) || (first === null && wishes.length > 0))
    throw contradiction("--network none", "with other networks", "Leave one of them out.");
  return wishes;
}

function hasUser({ interfaces }: InstanceIdentity): boolean {
  return interfaces.some(({ user }) => user === true);
}

function contradiction(what: string, why: string, hint: string): EstratoError {
  return new EstratoError("usage", `${what}: ${why}`, { hint });
}

export function isUser({ name, bridge }: NetworkWish): boolean {
  return bridge !== true && name === USER_NETWORK;
}

function isNone({ name, bridge }: NetworkWish): boolean {
  return bridge !== true && name === NO_NETWORK;
}

function networksOf({ interfaces, addresses }: InstanceIdentity): string[] {
  const names = [...interfaces, ...addresses].flatMap(({ network }) => (network === null ? [] : [network]));
  return [...new Set(names)];
}

/** Held while addresses and ports are chosen and until they are recorded. Nobody gives out those of a bridge. */
export function lockAddresses(world: World, wishes: readonly NetworkWish[]): Promise<HeldLocks> | null {
  const names = wishes.filter(({ bridge }) => bridge !== true).map(({ name }) => name);
  return names.length === 0 ? null : lockNetworks(world, [...new Set(names)].sort());
}

/**
 * Under the networks' locks, which `state` was read under too. Throws "conflict" for an address, a MAC or a port that
 * somebody has, "host" where nothing serves a network of its user, and what `requireNetwork` and `chooseAddress` throw;
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
  if (wishes.length === 0) return NOTHING;
  await requireFreeMacs(world, wishes);
  const cards: NewCard[] = [];
  const told: ToldCard[] = [];
  const reservations: Reservation[] = [];
  let userNetwork: Instance["userNetwork"];
  for (const [at, wish] of wishes.entries()) {
    const mac = wish.mac ?? world.ids.mac();
    const ip = wish.ip ?? (at === 0 ? options.ip : null);
    if (isUser(wish)) {
      userNetwork = await planUserNetwork(world, state, uuid, options.forwards ?? []);
      cards.push({ mac, user: userNetwork });
      told.push({ mac, address: null });
      continue;
    }
    const address = staticAddress({ ...wish, ip });
    told.push({ mac, address });
    if (wish.bridge === true) {
      await requireBridge(world, wish.name);
      if (ip !== null && address === null)
        throw contradiction(`address ${ip}`, "nothing gives it out on a bridge", `Write it like ${ip}/24.`);
      cards.push({ mac, bridge: wish.name });
      continue;
    }
    const found = await requireNetwork(world, wish.name);
    const own = reservations.filter((one) => one.network === found.name); // of its other cards
    const network = { ...found, reservations: [...found.reservations, ...own] };
    cards.push({ mac, network: network.name });
    if (address !== null && network.dhcp === null) continue;
    const chosen = chooseAddress(state, network, address?.ip ?? ip);
    if (address !== null) told[told.length - 1] = { mac, address: null }; // it is given to it
    if (chosen === null) {
      world.report.note(
        `network ${network.name}: libvirt serves no addresses there; ${name} keeps its MAC ${mac} only`,
      );
      continue;
    }
    const hostname = hostnameOf(own.length === 0 ? name : `${name}-${own.length + 1}`);
    reservations.push({ network: network.name, mac, ip: chosen, name: reservationName(network, hostname, uuid) });
  }
  return { cards, reservations, made: reservations, userNetwork, networkConfig: networkConfig(told) };
}

/** With a port that leads to its ssh, if none of those that are asked for does. */
async function planUserNetwork(
  world: World,
  state: State,
  uuid: string,
  asked: readonly Forward[],
): Promise<NonNullable<Instance["userNetwork"]>> {
  const backend = await world.host.userBackend();
  if (backend === null) {
    throw new EstratoError("host", "network user: neither passt nor this QEMU serves one", {
      hint: "Install the Debian package passt; --network none needs none.",
    });
  }
  await requireFree(world, state, uuid, asked);
  const hasSsh = asked.some(({ protocol, guest }) => protocol === "tcp" && guest === SSH_PORT);
  return { backend, forwards: [...asked, ...(hasSsh ? [] : [await chooseSshForward(world, state, asked)])] };
}

/** A card's MAC lives once, wherever it is. */
async function requireFreeMacs(world: World, wishes: readonly NetworkWish[]): Promise<void> {
  const wanted = wishes.flatMap(({ mac }) => (mac == null ? [] : [mac]));
  if (wanted.length === 0) return;
  const owners = (await world.host.domainOutlines(() => true)).flatMap(({ name, interfaces }) =>
    interfaces.map(({ mac }) => [mac.toLowerCase(), name] as const),
  );
  for (const [at, mac] of wanted.entries()) {
    const owner = wanted.indexOf(mac) < at ? "another card of it" : owners.find(([one]) => one === mac)?.[1];
    if (owner === undefined) continue;
    throw new EstratoError("conflict", `MAC ${mac}: ${owner} has it`, { hint: "Leave mac= out: one is chosen." });
  }
}

async function requireBridge(world: World, name: string): Promise<void> {
  if ((await world.host.fileInfo(`/sys/class/net/${name}/bridge`)) !== null) return;
  throw new EstratoError("not_found", `bridge ${name}: this host has none of that name`, {
    hint: `Make it first: ip link add ${name} type bridge.`,
  });
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

/** The one that was asked for, else that of the source's definition, else the usual one; null: none. */
function chooseNetwork(options: AddressWish, inherited: Inherited | null, usual: string): NetworkWish | null {
  const own = inherited === null ? usual : (inherited.network ?? NO_NETWORK);
  const wish = options.network ?? { name: own };
  if (!isNone(wish)) {
    if (options.ip !== null && isUser(wish))
      throw contradiction(
        `address ${options.ip}`,
        "on the network user a guest's address is its own affair",
        "Leave --ip out.",
      );
    return wish;
  }
  if (options.ip === null) return null;
  throw new EstratoError("usage", `address ${options.ip}: without a network there is none`, {
    hint: "Leave out --ip, or choose a network.",
  });
}

/** As the record of the instance holds them. */
export function addressesOf({ reservations }: Addressing): Instance["addresses"] {
  return reservations.map(({ network, mac, ip }) => ({ network, mac, ip }));
}
