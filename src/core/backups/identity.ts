/** What a backup keeps of an instance, so that it can come back as itself: the record's half, beside the definition. */

import { readNetworks } from "../instances/addresses.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Instance, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import type { Identity } from "./manifest.ts";

/** As it is now. Its addresses are those that we have reserved for it, and those that somebody else has. */
export async function identityOf(world: World, state: State, status: DomainStatus): Promise<Identity> {
  const record = state.instances[status.uuid];
  const keypair = record?.keyName == null ? undefined : state.keypairs[record.keyName];
  return {
    createdAt: record?.createdAt ?? null,
    image: record?.image ?? null,
    properties: { ...record?.properties },
    autostart: status.autostart,
    publicKey: keypair?.publicKey ?? null,
    addresses: await reservedFor(world, status, record?.addresses ?? []),
    volumes: [...volumesOf(state, status.uuid).values()].map(
      ({ id, name, deleteWithInstance, properties, createdAt }) => ({
        id,
        name,
        deleteWithInstance,
        properties: { ...properties },
        createdAt,
      }),
    ),
  };
}

async function reservedFor(
  world: World,
  { inactive }: DomainStatus,
  own: Instance["addresses"],
): Promise<Identity["addresses"]> {
  const found = own.map(({ network, mac, ip }) => ({ network, mac: mac.toLowerCase(), ip }));
  const nics = inactive.interfaces.flatMap(({ mac, network }) => (network === null ? [] : [{ mac, network }]));
  const networks = await readNetworks(
    world,
    nics.map(({ network }) => network),
  );
  for (const { mac, network } of nics) {
    for (const one of networks.get(network)?.reservations ?? []) {
      if (one.mac !== mac || found.some((each) => each.network === network && each.mac === mac)) continue;
      found.push({ network, mac, ip: one.ip });
    }
  }
  return found;
}
