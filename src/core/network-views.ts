/** `network list` and `network show`: what new instances can be put on, and who is on it. */
import { compareNames } from "../order.ts";
import type { NetworkInfo } from "./model/host.ts";
import { findNetwork } from "./networks.ts";
import type { LibvirtPort } from "./ports.ts";

export interface NetworkView {
  readonly name: string;
  readonly status: "active" | "inactive";
  /** As libvirt says how it leads out: nat, route, open, bridge, …; "isolated": it does not. */
  readonly mode: string;
  readonly bridge: string | null;
  /** 192.168.122.0/24, where libvirt serves addresses. */
  readonly subnet: string | null;
  readonly gateway: string | null;
  readonly first_address: string | null;
  readonly last_address: string | null;
  readonly instances: readonly string[]; // names, of all of libvirt's domains
  readonly reservations: readonly { readonly mac: string; readonly address: string; readonly name: string | null }[];
  readonly leases: readonly { readonly mac: string; readonly address: string; readonly given_at: string | null }[];
}

type Host = Pick<LibvirtPort, "network" | "listNetworks" | "domainOutlines">;

/** By name. */
export async function listNetworkViews(host: Host): Promise<NetworkView[]> {
  const users = await usersOf(host);
  const views: NetworkView[] = [];
  for (const name of (await host.listNetworks()).sort(compareNames)) {
    const network = await host.network(name);
    if (network !== null) views.push(viewOf(network, users)); // else it has gone meanwhile
  }
  return views;
}

/** Throws "not_found". */
export async function showNetwork(host: Host, name: string): Promise<NetworkView> {
  return viewOf(await findNetwork(host, name), await usersOf(host));
}

type Users = ReadonlyMap<string, readonly string[]>;

async function usersOf(host: Host): Promise<Users> {
  const users = new Map<string, string[]>();
  for (const { name, interfaces } of await host.domainOutlines(() => true)) {
    for (const network of new Set(interfaces.map((nic) => nic.network))) {
      if (network !== null) users.set(network, [...(users.get(network) ?? []), name]);
    }
  }
  return users;
}

function viewOf({ name, active, mode, bridge, dhcp, reservations, leases }: NetworkInfo, users: Users): NetworkView {
  return {
    name,
    status: active ? "active" : "inactive",
    mode: mode ?? "isolated",
    bridge: bridge ?? null,
    subnet: dhcp === null ? null : `${firstOf(dhcp)}/${dhcp.prefix}`,
    gateway: dhcp?.gateway ?? null,
    first_address: dhcp?.start ?? null,
    last_address: dhcp?.end ?? null,
    instances: [...(users.get(name) ?? [])].sort(compareNames),
    reservations: reservations.map(({ mac, ip, name: of }) => ({ mac, address: ip, name: of })),
    leases: leases.map(({ mac, ip, givenAt }) => ({ mac, address: ip, given_at: givenAt ?? null })),
  };
}

/** The subnet's own address. */
function firstOf({ gateway, prefix }: NonNullable<NetworkInfo["dhcp"]>): string {
  return gateway
    .split(".")
    .map((byte, at) => {
      const bits = Math.min(8, Math.max(0, prefix - 8 * at));
      return Number(byte) & (256 - 2 ** (8 - bits));
    })
    .join(".");
}
