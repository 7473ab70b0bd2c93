/** What a person says about a network card of a new instance: `--network NAME|bridge=BR|user[,mac=…][,ip=…]`. */
import { isIPv4 } from "node:net";
import { EstratoError } from "../../errors.ts";

export interface NetworkWish {
  /** Of a network of libvirt's, or of a bridge; "user": one of its own that needs no root; "none": no card. */
  readonly name: string;
  readonly bridge?: boolean;
  readonly mac?: string | null;
  /** With the bits of its network behind a slash where nothing there gives addresses: then the guest is told it. */
  readonly ip?: string | null;
  readonly gateway?: string | null; // of what the guest is told
  readonly dns?: string | null;
}

/** An address that the guest sets itself, as its seed says. */
export interface StaticAddress {
  readonly ip: string;
  readonly prefix: number;
  readonly gateway: string | null;
  readonly dns: string | null;
}

/** "none": no card at all. */
export const NO_NETWORK = "none";

const KEYS = ["bridge", "mac", "ip", "gateway", "dns"] as const;
const MAC = /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i;
const BRIDGE = /^[\w.-]{1,15}$/;
const HINT = "Write it like default, user, none, lan,mac=52:54:00:12:34:56 or bridge=br0,ip=192.168.1.50/24.";

/** Reads one `--network`. Throws "usage" where it is malformed. */
export function parseNetwork(text: string): NetworkWish {
  const malformed = (why: string) =>
    new EstratoError("usage", `network ${JSON.stringify(text)}: ${why}`, { hint: HINT });
  const [first = "", ...others] = text.split(",");
  const isNamed = !first.includes("=");
  const said: Partial<Record<(typeof KEYS)[number], string>> = {};
  for (const part of isNamed ? others : [first, ...others]) {
    const [word, value] = [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)];
    const key = KEYS.find((one) => one === word);
    if (key === undefined || !part.includes("=") || value === "")
      throw malformed(`${JSON.stringify(part)} is none of its parts`);
    if (said[key] !== undefined) throw malformed(`${key} is given twice`);
    said[key] = value;
  }
  const { bridge, mac = null, ip = null, gateway = null, dns = null } = said;
  if (isNamed && bridge !== undefined) throw malformed("a network and a bridge: a card is on one of them");
  const name = bridge ?? (isNamed ? first : "");
  if (name === "" || name.length > 128 || name.startsWith("-") || /[\p{Cc}/]/u.test(name)) throw malformed("no name");
  if (bridge !== undefined && !BRIDGE.test(bridge)) throw malformed("not the name of a bridge");
  if (mac !== null && !MAC.test(mac)) throw malformed(`${mac} is not the MAC of one card`);
  if (ip !== null && !isAddress(ip)) throw malformed(`${ip} is not an IPv4 address`);
  for (const one of [gateway, dns]) if (one !== null && !isIPv4(one)) throw malformed(`${one} is not an IPv4 address`);
  if ((gateway ?? dns) !== null && !ip?.includes("/"))
    throw malformed("gateway and dns go with an address that has the bits of its network, like 192.168.1.50/24");
  if (isNamed && name === NO_NETWORK && others.length > 0)
    throw malformed("without a card there is neither MAC nor address");
  if (isNamed && name === "user" && ip !== null) throw malformed("its guest's address is its own affair");
  return { name, ...(bridge === undefined ? {} : { bridge: true }), mac: mac?.toLowerCase() ?? null, ip, gateway, dns };
}

function isAddress(text: string): boolean {
  const [ip = "", bits, more] = text.split("/");
  return isIPv4(ip) && more === undefined && (bits === undefined || /^([1-9]|[12]\d|30)$/.test(bits));
}

/** Of a wish that names the bits of its network; null where it names none. */
export function staticAddress({ ip = null, gateway = null, dns = null }: NetworkWish): StaticAddress | null {
  const [address = "", bits] = (ip ?? "").split("/");
  return bits === undefined ? null : { ip: address, prefix: Number(bits), gateway, dns };
}
