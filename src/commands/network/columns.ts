/** A network of libvirt's, as its verbs print it. */
import type { NetworkView } from "../../core/network-views.ts";
import { nested, status, text, words } from "../../ui/output/columns.ts";
import { listOf, object, orNull, TEXT } from "../../ui/output/shape.ts";

export const networkColumns = [
  text<NetworkView>("name", (network) => network.name),
  status<NetworkView>("status", (network) => network.status),
  text<NetworkView>("mode", (network) => network.mode, { rank: 1 }),
  text<NetworkView>("bridge", (network) => network.bridge, { orNull: true }),
  text<NetworkView>("subnet", (network) => network.subnet, { orNull: true, rank: 1 }),
  text<NetworkView>("gateway", (network) => network.gateway, { listed: false, orNull: true }),
  text<NetworkView>("first_address", (network) => network.first_address, { listed: false, orNull: true }),
  text<NetworkView>("last_address", (network) => network.last_address, { listed: false, orNull: true }),
  words<NetworkView>("instances", (network) => network.instances),
  nested(
    "reservations",
    (network: NetworkView) => network.reservations,
    listOf(object({ mac: TEXT, address: TEXT, name: orNull(TEXT) })),
    {
      listed: false,
      forPeople: (all) => all.map(({ address, mac, name }) => `${address} (${name ?? mac})`).join(", "),
    },
  ),
  nested(
    "leases",
    (network: NetworkView) => network.leases,
    listOf(object({ mac: TEXT, address: TEXT, given_at: orNull(TEXT) })),
    { listed: false, forPeople: (all) => all.map(({ address, mac }) => `${address} (${mac})`).join(", ") },
  ),
];
