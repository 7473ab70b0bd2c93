/** Ports of this host that lead into a guest: how people write them, and which are the same. */
import { isIPv4 } from "node:net";
import { EstratoError } from "../../errors.ts";
import type { Forward } from "../model/host.ts";
import type { Instance } from "../model/state.ts";

/** Where nobody types another address: what only this host reaches. */
const LOOPBACK = "127.0.0.1";
const EVERYWHERE = "0.0.0.0";
export const SSH_PORT = 22;

const HINT = "Write it like 8080:80, 0.0.0.0:8080:80 or 5353:53/udp: [ADDRESS:]HOST:GUEST[/udp].";

/** Reads `[ADDRESS:]HOST:GUEST[/udp]`. Throws "usage" where it is malformed. */
export function parseForward(text: string): Forward {
  const malformed = (why: string) =>
    new EstratoError("usage", `forward ${JSON.stringify(text)}: ${why}`, { hint: HINT });
  const [, address = LOOPBACK, host = "", guest = "", protocol = "tcp"] =
    /^(?:([^:]*):)?(\d+):(\d+)(?:\/(tcp|udp))?$/.exec(text) ?? [];
  if (host === "") throw malformed("not a port of this host and one of the guest");
  if (!isIPv4(address)) throw malformed(`${JSON.stringify(address)} is not an IPv4 address`);
  for (const port of [host, guest]) if (!isPort(port)) throw malformed(`${port} is not a port, from 1 to 65535`);
  return { protocol: protocol === "udp" ? "udp" : "tcp", address, host: Number(host), guest: Number(guest) };
}

/** What takes one away: `HOST[/udp]` or `ADDRESS:HOST[/udp]`. Throws "usage" where it is malformed. */
export function parseHostEnd(text: string): Pick<Forward, "protocol" | "host"> & { readonly address: string | null } {
  const [, address = null, host = "", protocol = "tcp"] = /^(?:([^:]*):)?(\d+)(?:\/(tcp|udp))?$/.exec(text) ?? [];
  if (!isPort(host) || (address !== null && !isIPv4(address))) {
    throw new EstratoError("usage", `forward ${JSON.stringify(text)}: not a port of this host`, {
      hint: "Write it like 8080, or 5353/udp.",
    });
  }
  return { protocol: protocol === "udp" ? "udp" : "tcp", address, host: Number(host) };
}

function isPort(digits: string): boolean {
  return /^[1-9]\d{0,4}$/.test(digits) && Number(digits) <= 65_535;
}

/** 127.0.0.1:8080, with /udp where it is that. */
export function hostEnd({ protocol, address, host }: Omit<Forward, "guest">): string {
  return `${address}:${host}${protocol === "udp" ? "/udp" : ""}`;
}

/** Do both listen at one port of this host? */
export function clash(one: Forward, other: Forward): boolean {
  const isOneAddress = one.address === other.address || [one.address, other.address].includes(EVERYWHERE);
  return one.protocol === other.protocol && one.host === other.host && isOneAddress;
}

/** Are these the same, in whatever order? */
export function sameForwards(some: readonly Forward[], others: readonly Forward[]): boolean {
  const words = (all: readonly Forward[]) =>
    all
      .map((one) => `${hostEnd(one)}:${one.guest}`)
      .sort()
      .join(" ");
  return words(some) === words(others);
}

/** The way to its ssh by a port of this host; null where there is none. */
export function sshForward(record: Instance | null): Forward | null {
  const forwards = record?.userNetwork?.forwards ?? [];
  return forwards.find(({ protocol, guest }) => protocol === "tcp" && guest === SSH_PORT) ?? null;
}

/** What is listened on at all addresses is reached at this host's own. */
export function reachedAt({ address, host }: Forward): { readonly address: string; readonly port: number } {
  return { address: address === EVERYWHERE ? LOOPBACK : address, port: host };
}
