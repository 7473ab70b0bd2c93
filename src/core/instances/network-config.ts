/**
 * What a guest is told about its network cards, where it cannot find out by itself.
 * Source: https://cloudinit.readthedocs.io/en/latest/reference/network-config-format-v2.html
 */
import type { StaticAddress } from "./network-wish.ts";

export interface ToldCard {
  readonly mac: string;
  readonly address: StaticAddress | null; // null: by DHCP
}

/**
 * Null where the guest's own way will do: one card, by DHCP. Else all of them, since what is told takes its place.
 * JSON, which YAML reads as it is.
 */
export function networkConfig(cards: readonly ToldCard[]): string | null {
  if (cards.length < 2 && cards.every(({ address }) => address === null)) return null;
  const ethernets = Object.fromEntries(
    cards.map(({ mac, address }, at) => [`nic${at}`, { match: { macaddress: mac }, ...addressOf(address) }]),
  );
  return `${JSON.stringify({ version: 2, ethernets }, null, 2)}\n`;
}

/** "0.0.0.0/0" rather than "default", which older cloud-inits do not know. */
function addressOf(address: StaticAddress | null) {
  if (address === null) return { dhcp4: true };
  const { ip, prefix, gateway, dns } = address;
  return {
    addresses: [`${ip}/${prefix}`],
    ...(gateway === null ? {} : { routes: [{ to: "0.0.0.0/0", via: gateway }] }),
    ...(dns === null ? {} : { nameservers: { addresses: [dns] } }),
  };
}
