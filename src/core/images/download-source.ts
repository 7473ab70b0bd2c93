/** What a line says of an image that is to be downloaded: its URL, and what the file is compared with. */
import { EstratoError } from "../../errors.ts";

export interface Sum {
  readonly algorithm: "sha256" | "sha512";
  readonly hex: string; // lower case
}

/** With what the file is compared. `where` and `keyring`: absolute paths, or `where` a URL. */
export type Expectation =
  | { readonly kind: "none" }
  | { readonly kind: "sum"; readonly sum: Sum }
  | { readonly kind: "list"; readonly where: string; readonly keyring: string | null };

/** Names of files that are packed as a whole: nothing here unpacks them. */
const PACKED = /\.(xz|gz|bz2|zst|zip|7z|tar|tgz|ova)$/i;

/**
 * In its one form. "usage" for another scheme than http and https, one with a password (which the state and the log
 * would keep, and ps(1) show), and plain http where nothing vouches for what comes; "host" for a packed file.
 */
export function requireDownloadable(text: string, expected: Expectation): string {
  const url = requireUrl(text, "--url");
  const isVouchedFor =
    expected.kind !== "none" && (expected.kind !== "list" || !isPlain(expected.where) || expected.keyring);
  if (isPlain(url) && !isVouchedFor) {
    throw new EstratoError("usage", `${url}: nothing tells who sent what comes by plain http`, {
      hint: "Use https, or say --checksum, or --checksums with --keyring.",
    });
  }
  const packed = PACKED.exec(nameOfUrl(url))?.[1];
  if (packed === undefined) return url;
  throw new EstratoError("host", `${url}: it is packed (${packed}), and is not unpacked here`, {
    hint: "Download and unpack it, and give the file with --file.",
  });
}

const isPlain = (where: string): boolean => where.startsWith("http:");

/** "usage" where it is none that is fetched here. `option`: that it was given with. */
export function requireUrl(text: string, option: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const wrong = (why: string, hint = "Give it as https://HOST/PATH.") =>
    new EstratoError("usage", `${option} ${JSON.stringify(text)}: ${why}`, { hint });
  if (url === null) throw wrong("it is no URL");
  if (url.protocol !== "https:" && url.protocol !== "http:") throw wrong(`${url.protocol} is not fetched here`);
  if (url.username !== "" || url.password !== "") {
    const hint = "Put them into ~/.netrc (mode 0600), where curl looks for them.";
    throw new EstratoError("usage", `${option}: the URL holds a name or a password, which everybody would see`, {
      hint,
    });
  }
  url.hash = "";
  return url.href;
}

/** By which lists of sums call it: the last part of its path. */
export function nameOfUrl(url: string): string {
  const last = new URL(url).pathname.split("/").at(-1) ?? "";
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

const HEX = { sha256: 64, sha512: 128 } as const;

/** `sha256:…`, `sha512:…`. "usage" where it is neither. */
export function parseSum(text: string): Sum {
  const [, algorithm, hex] = /^(sha256|sha512):([0-9a-f]+)$/.exec(text.toLowerCase()) ?? [];
  if ((algorithm === "sha256" || algorithm === "sha512") && hex?.length === HEX[algorithm]) return { algorithm, hex };
  throw new EstratoError("usage", `--checksum ${JSON.stringify(text)}: it is no SHA-256 or SHA-512`, {
    hint: "Give it as sha256: and 64 hex digits, or sha512: and 128.",
  });
}

export const sumText = ({ algorithm, hex }: Sum): string => `${algorithm}:${hex}`;

/**
 * The sum of the file `name` in a list of sums, as sha256sum(1) writes it, or with --tag; of two the longer one.
 * Null where it is not named, or with different sums of one kind.
 */
export function sumIn(text: string, name: string): Sum | null {
  const found = new Map<Sum["algorithm"], Set<string>>();
  for (const line of text.split(/\r?\n/)) {
    const [, kind, called, tagged] = /^(SHA256|SHA512) \((.+)\) ?= ?([0-9a-f]+)$/i.exec(line) ?? [];
    const [, plain, named] = /^([0-9a-f]{64}|[0-9a-f]{128}) [ *](.+)$/i.exec(line) ?? [];
    const hex = (tagged ?? plain)?.toLowerCase();
    if (hex === undefined || (called ?? named)?.replace(/^\.\//, "") !== name) continue;
    const algorithm = hex.length === HEX.sha512 ? "sha512" : "sha256";
    if (hex.length !== HEX[algorithm] || (kind !== undefined && kind.toLowerCase() !== algorithm)) continue;
    found.set(algorithm, (found.get(algorithm) ?? new Set()).add(hex));
  }
  for (const algorithm of ["sha512", "sha256"] as const) {
    const [hex, other] = found.get(algorithm) ?? [];
    if (hex !== undefined) return other === undefined ? { algorithm, hex } : null;
  }
  return null;
}
