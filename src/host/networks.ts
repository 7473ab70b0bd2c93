/** libvirt's networks: their DHCP range, reservations and leases. Source: libvirt.org/formatnetwork.html. */
import type { NetworkInfo } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import type { Virsh } from "./virsh.ts";
import { attribute, childNamed, childrenNamed, type ReadElement, readXml } from "./xml.ts";

type Reservation = NetworkInfo["reservations"][number];

/** What is on the books of a network: in the running one, and in the one that the next start will have. */
export interface NetworkBooks extends NetworkInfo {
  readonly live: readonly Reservation[];
  readonly config: readonly Reservation[];
  readonly persistent: boolean;
}

export async function listNetworks(virsh: Virsh): Promise<string[]> {
  const text = await virsh.output(["net-list", "--all", "--name"]);
  return text.split("\n").filter((line) => line.trim() !== "");
}

/** Null where there is no such network. */
export async function readNetwork(virsh: Virsh, name: string): Promise<NetworkBooks | null> {
  if (name.includes("\n")) return null; // libvirt lets none have one
  const [info, live, config, leases] = await virsh.batch([
    ["net-info", "--network", name],
    ["net-dumpxml", "--network", name],
    ["net-dumpxml", "--network", name, "--inactive"],
    ["net-dhcp-leases", "--network", name],
  ]);
  if (!info || !live || !config || !leases) throw new EstratoError("failed", "virsh net-info: an answer is missing");
  if (info.error !== null) {
    if (/failed to get network|Network not found/i.test(info.error)) return null;
    throw new EstratoError("failed", `virsh net-info: ${info.error}`);
  }
  if (live.error !== null) throw new EstratoError("failed", `virsh net-dumpxml: ${live.error}`);
  const active = /^Active:\s+yes$/m.test(info.text);
  const persistent = /^Persistent:\s+yes$/m.test(info.text);
  const now = parseNetwork(live.text);
  const next = persistent && config.error === null ? parseNetwork(config.text) : now;
  const known = new Set(now.reservations.map(keyOf));
  return {
    name: now.name,
    active,
    persistent,
    dhcp: now.dhcp,
    mode: now.mode,
    bridge: now.bridge,
    live: active ? now.reservations : [],
    config: persistent ? next.reservations : [],
    reservations: [...now.reservations, ...next.reservations.filter((each) => !known.has(keyOf(each)))],
    leases: active && leases.error === null ? parseLeases(leases.text, leaseSeconds(live.text)) : [],
  };
}

export function keyOf(reservation: { readonly mac: string; readonly ip: string }): string {
  return `${reservation.mac.toLowerCase()} ${reservation.ip}`;
}

/** Reads a network's XML; of several IPv4 subnets the first one with a DHCP range counts. */
export function parseNetwork(
  xml: string,
): Required<Pick<NetworkInfo, "name" | "dhcp" | "reservations" | "mode" | "bridge">> {
  const root = readXml(xml, "network");
  const subnets = childrenNamed(root, "ip").filter((ip) => (attribute(ip, "family") ?? "ipv4") === "ipv4");
  const served = subnets.find((ip) => rangeOf(ip) !== null);
  const range = served ? rangeOf(served) : null;
  return {
    name: childNamed(root, "name")?.textContent ?? "",
    mode: modeOf(childNamed(root, "forward")),
    bridge: attribute(childNamed(root, "bridge"), "name"),
    dhcp:
      served && range
        ? {
            start: attribute(range, "start") ?? "",
            end: attribute(range, "end") ?? "",
            gateway: attribute(served, "address") ?? "",
            prefix: prefixOf(served),
          }
        : null,
    reservations: subnets.flatMap((ip) => {
      const dhcp = childNamed(ip, "dhcp");
      return (dhcp ? childrenNamed(dhcp, "host") : []).flatMap((host) => {
        const mac = attribute(host, "mac");
        const address = attribute(host, "ip");
        return mac && address ? [{ mac: mac.toLowerCase(), ip: address, name: attribute(host, "name") }] : [];
      });
    }),
  };
}

/** Without a word it is nat. */
function modeOf(forward: ReadElement | null): string | null {
  return forward === null ? null : (attribute(forward, "mode") ?? "nat");
}

function rangeOf(ip: ReadElement): ReadElement | null {
  const dhcp = childNamed(ip, "dhcp");
  return dhcp ? childNamed(dhcp, "range") : null;
}

function prefixOf(ip: ReadElement): number {
  const prefix = attribute(ip, "prefix");
  if (prefix !== null) return Number(prefix);
  const bits = (attribute(ip, "netmask") ?? "255.255.255.0")
    .split(".")
    .map((byte) => Number(byte).toString(2).padStart(8, "0"))
    .join("");
  return bits.replace(/0+$/, "").length;
}

/** dnsmasq's, where the network names none: dnsmasq(8), --dhcp-range. */
const USUAL_LEASE_SECONDS = 3600;
const UNIT_SECONDS: Readonly<Record<string, number>> = { seconds: 1, minutes: 60, hours: 3600 };

/**
 * How long a network's leases last; null where they never end, or last differently: then nothing tells when one was
 * given. libvirt.org/formatnetwork.html, `<lease expiry='1' unit='hours'/>`.
 */
export function leaseSeconds(xml: string): number | null {
  const found = [...xml.matchAll(/<lease\b[^>]*>/g)].map(([element]) => {
    const count = Number(/\bexpiry=['"](\d+)['"]/.exec(element)?.[1] ?? "0");
    return count * (UNIT_SECONDS[/\bunit=['"](\w+)['"]/.exec(element)?.[1] ?? "minutes"] ?? 60);
  });
  const distinct = new Set(found);
  if (distinct.size > 1) return null;
  const [seconds = USUAL_LEASE_SECONDS] = distinct;
  return seconds === 0 ? null : seconds;
}

/**
 * Reads `net-dhcp-leases`: a table of when a lease ends (in this machine's zone), MAC, protocol and address. `seconds`:
 * how long one lasts.
 */
export function parseLeases(text: string, seconds: number | null = null): NetworkInfo["leases"] {
  const row = /^\s*(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)?.*?\b((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\s+ipv4\s+([0-9.]+)\/\d+/gm;
  return [...text.matchAll(row)].map(([, ends, mac = "", ip = ""]) => {
    const endsMs = ends === undefined ? Number.NaN : new Date(ends.replace(" ", "T")).getTime();
    const isTold = seconds !== null && !Number.isNaN(endsMs);
    return { mac, ip, givenAt: isTold ? new Date(endsMs - seconds * 1000).toISOString() : null };
  });
}
