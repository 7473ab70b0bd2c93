/** The network cards of a new instance: what each is plugged into, its MAC, and its address or its ports. */
import { EstratoError } from "../../errors.ts";
import { SSH_PORT } from "../forwards/forward.ts";
import { chooseSshForward, requireFree } from "../forwards/free-ports.ts";
import type { Forward, NewCard } from "../model/host.ts";
import type { Instance, State } from "../model/state.ts";
import { chooseAddress, requireNetwork, reservationName } from "../networks.ts";
import type { World } from "../ports.ts";
import { hostnameOf } from "./hostname.ts";
import { type AddressWish, contradiction, isUser } from "./network-choice.ts";
import { networkConfig, type ToldCard } from "./network-config.ts";
import { type NetworkWish, staticAddress } from "./network-wish.ts";

/** An address on the books of a network. */
export interface Reservation {
  readonly network: string;
  readonly mac: string;
  readonly ip: string;
  readonly name: string;
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

/**
 * Under the networks' locks, which `state` was read under too. Throws "conflict" for an address, a MAC or a port that
 * somebody has, "host" where nothing serves a network of its user, and what `requireNetwork` and `chooseAddress` throw;
 * changes nothing.
 */
export async function planCards(
  world: World,
  state: State,
  uuid: string,
  options: AddressWish,
  wishes: readonly NetworkWish[],
): Promise<Addressing> {
  const { name } = options;
  await requireFreeMacs(world, state, wishes);
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
export async function planUserNetwork(
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
async function requireFreeMacs(world: World, state: State, wishes: readonly NetworkWish[]): Promise<void> {
  const wanted = wishes.flatMap(({ mac }) => (mac == null ? [] : [mac]));
  if (wanted.length === 0) return;
  const shelved = Object.values(state.instances).map((one) => ({ ...one, interfaces: one.shelved?.interfaces ?? [] }));
  const owners = [...(await world.host.domainOutlines(() => true)), ...shelved].flatMap(({ name, interfaces }) =>
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
