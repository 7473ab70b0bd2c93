/** Names of instances: unique among libvirt's domains and what is recorded here. */
import { createHash } from "node:crypto";
import { EstratoError } from "../../errors.ts";
import type { State } from "../model/state.ts";
import { requireName } from "../names.ts";
import type { World } from "../ports.ts";

/** Beyond this many bytes a lock's file name could be too long once encoded (each byte may become three). */
const LONGEST_PLAIN_BYTES = 60;

/**
 * The lock that makes two creates, or renames, to one name at once impossible. Its name is what the second one is told.
 */
export function nameLock(name: string): string {
  if (Buffer.byteLength(name) <= LONGEST_PLAIN_BYTES) return `instance ${name}`;
  return `instance ${createHash("sha256").update(name).digest("hex")}`;
}

/** More than any host runs, and few enough to be planned before the first is made. */
const MOST = 1000;

/**
 * The names that `--count` makes: `web1` alone, or web1-1 … web1-N. Throws "usage" where one of them is no name, or
 * where they are more than MOST.
 */
export function instanceNames(name: string, count: number | null): string[] {
  if (count !== null && count > MOST) {
    throw new EstratoError("usage", `--count ${count}: more than ${MOST}`, { hint: "Make them in several turns." });
  }
  const names = count === null ? [name] : Array.from({ length: count }, (_, index) => `${name}-${index + 1}`);
  for (const one of names) requireName("instance", one);
  return names;
}

/** Of a name that much is in the paths of its sockets, in libvirt 9.0 and 11.3. */
const STARTS_WITH = 20;

/** Throws "usage" where libvirt could define a guest of this name, and never start it. */
export async function requireStartableName(world: World, name: string): Promise<void> {
  const bytes = Buffer.byteLength([...name].slice(0, STARTS_WITH).join(""));
  if (bytes <= STARTS_WITH) return;
  const { nameStartBytes: most = bytes } = await world.host.capabilities();
  if (bytes <= most) return;
  throw new EstratoError(
    "usage",
    `instance name ${JSON.stringify(name)}: its first ${STARTS_WITH} characters take ${bytes} bytes, and libvirt starts no guest with more than ${most}`,
    { hint: "Choose a shorter one, or one with more Latin letters." },
  );
}

/**
 * Throws "conflict" where a domain or a record has this name; call it under the name's lock. `except`: the UUID that
 * may have it.
 */
export async function requireFreeName(
  world: World,
  state: State,
  name: string,
  except: string | null = null,
): Promise<void> {
  const taken = new EstratoError("conflict", `instance ${name}: the name is taken`, {
    hint: 'Choose another; see "estrato instance list".',
  });
  if (recordOfName(state, name, except)) throw taken;
  const domains = await world.host.listDomains();
  if (domains.some((domain) => domain.name === name && domain.uuid !== except)) throw taken;
}

/** Is it the name of an instance that is recorded, whether libvirt has it or not? */
export function recordOfName(state: State, name: string, except: string | null = null): boolean {
  return Object.values(state.instances).some((instance) => instance.name === name && instance.id !== except);
}

/** What people call these (ids, or what they called them), for a question: what nobody knows is as it was said. */
export async function namesOf(world: World, targets: readonly string[]): Promise<string[]> {
  const { instances } = await world.store.read();
  const isKnown = targets.every((target) => instances[target] !== undefined);
  const domains = isKnown ? [] : await world.host.listDomains();
  const domainOf = (id: string) => domains.find(({ uuid }) => uuid === id);
  return targets.map((target) => (instances[target] ?? domainOf(target))?.name ?? target);
}
