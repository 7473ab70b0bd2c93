/** From the options of `instance create` to what core is asked for. */
import { parseForward } from "../../core/forwards/forward.ts";
import type { CreateInstanceOptions } from "../../core/instances/create.ts";
import { parseNetwork } from "../../core/instances/network-wish.ts";
import { EstratoError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { keepOutOfCoreDumps } from "../../no-core-dump.ts";
import { readSmall } from "../framework/files.ts";

/** As the line gave them; null where it did not. */
interface CreationLine {
  readonly image: string | null;
  readonly snapshot: string | null;
  readonly bootVolume: string | null;
  readonly backup: string | null;
  readonly passphraseFile: string | null;
  readonly volume: readonly string[];
  readonly flavor: string | null;
  readonly vcpus: number | null;
  readonly ram: number | null;
  readonly disk: number | null;
  readonly keyName: string | null;
  readonly network: readonly string[];
  readonly ip: string | null;
  readonly forward: readonly string[];
  readonly userData: string | null;
  readonly ownIdentity: boolean;
  readonly agent: boolean;
  readonly property: Readonly<Record<string, string>>;
  readonly count: number | null;
  readonly noStart: boolean;
  readonly trustOwner: boolean;
  readonly wait: string | null;
}

/** What it is made from, and all else that was said. */
export interface Creation {
  readonly source: CreateInstanceOptions["source"] | { readonly kind: "backup"; readonly target: string };
  readonly wanted: Omit<CreateInstanceOptions, "name" | "source">;
}

/** Throws "usage" for a combination that makes no sense, "host" for user data that cannot be read. */
export async function creationOptions(line: CreationLine, signal: AbortSignal): Promise<Creation> {
  if (line.backup === null && line.passphraseFile !== null) {
    throw new EstratoError("usage", "instance create: --passphrase-file without --backup", { hint: "Leave it out." });
  }
  if (line.ip !== null && (line.count ?? 1) > 1)
    throw contradiction("--ip", "--count", "one address is for one instance");
  if ((line.bootVolume !== null || line.volume.length > 0) && (line.count ?? 1) > 1)
    throw contradiction(
      line.bootVolume === null ? "--volume" : "--boot-volume",
      "--count",
      "a volume is for one instance",
    );
  if (line.noStart && line.wait !== null)
    throw contradiction("--no-start", "--wait", "what is off has neither address nor agent");
  if (line.agent && line.network[0] === "none")
    throw contradiction("--agent", "--network none", "its package comes over the network");
  const userData = line.userData === null ? null : await readUserData(line.userData, signal);
  const wanted = {
    volumes: line.volume,
    flavor: line.flavor,
    vcpus: line.vcpus,
    ramBytes: line.ram,
    diskBytes: line.disk,
    keyName: line.keyName,
    ...networksOf(line),
    userData,
    ownIdentity: line.ownIdentity,
    agent: line.agent,
    properties: line.property,
    start: !line.noStart,
    trustOwner: line.trustOwner,
  };
  return { source: sourceOf(line), wanted };
}

/** Whoever says addresses, MACs or ports says them of one instance. */
function networksOf({ network, ip, forward, count }: CreationLine) {
  const [first = null, ...further] = network.map(parseNetwork);
  const fixed = [first, ...further].some((one) => (one?.ip ?? one?.mac ?? null) !== null);
  if ((count ?? 1) > 1 && fixed)
    throw contradiction("--network with mac= or ip=", "--count", "they are for one instance");
  if ((count ?? 1) > 1 && forward.length > 0)
    throw contradiction("--forward", "--count", "a port leads to one instance");
  if (ip !== null && first?.ip != null) throw contradiction("--ip", "ip= of --network", "one address is for one card");
  return { network: first, further, ip, forwards: forward.map(parseForward) };
}

/**
 * With the setting `flavor` where nothing says the size, but where what it is made from has one. The default stays
 * unsaid: it need not be there.
 */
export async function withFlavor<T extends CreationLine>(factory: Factory, line: T): Promise<T> {
  const isSized = [line.flavor, line.vcpus, line.ram, line.disk, line.snapshot, line.backup].some(
    (one) => one !== null,
  );
  const { value, origin } = (await factory.settings()).get("flavor");
  return isSized || origin === "default" ? line : { ...line, flavor: value };
}

function sourceOf({ image, snapshot, bootVolume, backup }: CreationLine): Creation["source"] {
  const given = Object.entries({
    "--image": image,
    "--snapshot": snapshot,
    "--boot-volume": bootVolume,
    "--backup": backup,
  });
  const [one, other] = given.flatMap(([option, value]) => (value === null ? [] : [option]));
  if (one !== undefined && other !== undefined) throw contradiction(one, other, "it is made from one thing");
  if (bootVolume !== null) return { kind: "volume", target: bootVolume };
  if (image !== null) return { kind: "image", target: image };
  if (snapshot !== null) return { kind: "snapshot", target: snapshot };
  if (backup !== null) return { kind: "backup", target: backup };
  throw new EstratoError("usage", "instance create: none of --image, --snapshot, --backup and --boot-volume is given", {
    hint: 'Name what it is made from; see "estrato image list".',
  });
}

function contradiction(one: string, other: string, why: string): EstratoError {
  return new EstratoError("usage", `instance create: ${one} and ${other}: ${why}`, { hint: "Leave one of them out." });
}

/** Far more than any cloud takes (16 KiB to 64 KiB). */
const LARGEST_USER_DATA_BYTES = 16 * 1024 ** 2;

/** Text, as cloud-init wants it: what is not UTF-8 could not be handed on as it is. */
async function readUserData(path: string, signal: AbortSignal): Promise<string> {
  keepOutOfCoreDumps();
  let bytes: Buffer;
  try {
    bytes = await readSmall(path, signal, LARGEST_USER_DATA_BYTES);
  } catch (cause) {
    if (!(cause instanceof EstratoError)) throw cause;
    const { code, message, hint } = cause;
    throw new EstratoError(code, `--user-data ${message}`, { cause, ...(hint === undefined ? {} : { hint }) });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new EstratoError("host", `--user-data ${path}: it is not text in UTF-8`, {
      hint: 'Give a script, or a text that begins with "#cloud-config".',
      cause,
    });
  }
}
