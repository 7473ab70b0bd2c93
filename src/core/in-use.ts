/**
 * Who names a file: the one answer to "may this be unlinked?" (DESIGN.md, invariant 12). In use is what anything names:
 * the state, the definitions of all domains and what QEMU has open, the headers of all that these, our folders and
 * other stores hold, what others are told of shared images, the journal, and the kept copies of the state.
 */
import { EstratoError } from "../errors.ts";
import { severalAtOnce } from "../several-at-once.ts";
import { keepHeapSmall } from "../small-heap.ts";
import { recordedFiles } from "./firmware.ts";
import { keptDefinition, keptName } from "./instances/kept-definition.ts";
import type { DomainStatus } from "./model/host.ts";
import type { State } from "./model/state.ts";
import {
  type ChainReader,
  chainReader,
  chainsInFolder,
  chainsInOtherStores,
  chainsOfDisks,
  definitionsOf,
  type NamedChain,
  pathsNamedBy,
  strangeDisks,
} from "./named-files.ts";
import type { KeptText, World } from "./ports.ts";
import { LONGEST_ENTRY_BYTES } from "./sharing/catalogue.ts";
import { keptFiles } from "./snapshots/drop.ts";

/** Who names a file. */
export interface User {
  readonly by: "state" | "domain" | "header" | "store" | "share" | "journal" | "aside" | "copy";
  /** The instance, snapshot, image or layer, the domain's UUID, or the path of the file that names it. */
  readonly id: string;
  /** In words for messages: "instance web1". */
  readonly name: string;
}

/** The answers of one look; each part of it is looked at once, and only where somebody asks. */
export interface InUse {
  /** Everybody who names the file by itself: state, definitions, journal, shares, copies. For what is no image. */
  naming(path: string): Promise<User[]>;
  /** Besides, everybody who names it by a header of an image, or might. */
  users(path: string): Promise<User[]>;
  /** Does anybody? Cheaper. */
  isNamed(path: string): Promise<boolean>;
  /**
   * For what the state itself lets go of: everybody who names the file, or might, without being in the graph. Domains
   * by disks that are no volumes, files of our folder that are no layers, files in other stores; under whatever name.
   * What remembers earlier states is not among them: the state was asked first, and it had this one.
   */
  outsiders(path: string): Promise<User[]>;
}

/**
 * Looks at everything, and answers for any file of ours. Throws "host" where libvirt does not answer; where a QEMU does
 * not, or a header cannot be read, that one may name anything (DESIGN.md, invariant 14). `willAsk`: other stores are
 * looked at while libvirt answers.
 */
export async function filesInUse(world: World, state: State, willAsk?: "outsiders"): Promise<InUse> {
  keepHeapSmall(Object.keys(state.layers).length);
  const read = chainReader(world);
  const inOthers = once(() => chainsInOtherStores(world, read));
  if (willAsk === "outsiders") inOthers().catch(() => undefined); // thrown where it is asked for
  const domains = [...(await world.host.domainStatuses()).values()];
  const named = once(async () => {
    const known = new Map<string, User[]>();
    for (const [path, user] of namedByState(world, state)) add(known, path, user);
    for (const status of domains) for (const path of pathsNamedBy(status)) add(known, path, userOf(status));
    return known;
  });
  const texts = once(async () => [
    ...domains.flatMap(textsOf),
    ...(await keptDefinitions(world, state)),
    ...(await keptTexts(world)),
  ]);
  const headers = once(() => namedByHeaders(world, read, domains));
  const strangers = once(() => namedByStrangers(world, read, state, domains, inOthers()));
  const naming = async (path: string) =>
    unique([
      ...((await named()).get(path) ?? []),
      ...(await texts()).filter(({ text }) => mentions(text, path)).map(({ user }) => user),
    ]);
  const inHeaders = async (path: string) => namersOf(await headers(), path, await identityAt(world, path));
  return {
    naming,
    users: async (path) => unique([...(await naming(path)), ...(await inHeaders(path))]),
    isNamed: async (path) =>
      (await named()).has(path) || (await naming(path)).length > 0 || (await inHeaders(path)).length > 0,
    outsiders: async (path) => unique(namersOf(await strangers(), path, await identityAt(world, path))),
  };
}

function once<T>(look: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= look();
    return answer;
  };
}

async function identityAt(world: World, path: string): Promise<string | null> {
  return (await world.host.fileInfo(path))?.identity ?? null;
}

/** By path and by identity, and those that may name anything. */
interface Namers {
  readonly files: Map<string, User[]>;
  readonly blind: User[];
}

function add(known: Map<string, User[]>, key: string, user: User): void {
  known.set(key, [...(known.get(key) ?? []), user]);
}

function addChain({ files: known, blind }: Namers, { top, files }: NamedChain, user: User): void {
  if (files === null) blind.push({ by: "header", id: top, name: `${top}, which cannot be read` });
  for (const { path, identity } of files ?? []) {
    add(known, path, user);
    if (identity !== null) add(known, identity, user);
  }
}

/** Of a file that is not there nobody who cannot be read has the bytes. */
function namersOf({ files, blind }: Namers, path: string, identity: string | null): User[] {
  const byIdentity = identity === null ? [] : (files.get(identity) ?? []);
  return [...(files.get(path) ?? []), ...byIdentity, ...blind.filter(({ id }) => id !== path)];
}

/**
 * Everything that something else stands on: below each disk of each domain, and below each file in our folder. What
 * QEMU has open may be more than the definitions say (LIBVIRT.md, trap 12).
 */
async function namedByHeaders(world: World, read: ChainReader, domains: readonly DomainStatus[]): Promise<Namers> {
  const namers: Namers = { files: new Map(), blind: [] };
  const doubt = await world.store.doubt();
  if (doubt !== null) namers.blind.push({ by: "copy", id: doubt, name: `what the state lacks by ${doubt}` });
  const disksOf = (status: DomainStatus) => definitionsOf(status).flatMap(({ disks }) => disks);
  const chains = await severalAtOnce(domains, (status) => chainsOfDisks(read, disksOf(status)));
  for (const [index, status] of domains.entries()) {
    for (const chain of chains[index] ?? []) addChain(namers, chain, userOf(status));
    if (status.live === null) continue;
    try {
      for (const { chain } of await world.host.qemuDisks(status.uuid))
        for (const path of chain) add(namers.files, path, userOf(status));
    } catch (error) {
      if (!(error instanceof EstratoError)) throw error;
      namers.blind.push({ ...userOf(status), name: `instance ${status.name}, whose QEMU does not answer` });
    }
  }
  for (const chain of await chainsInFolder(world, world.store.paths.layersFolder, new Set(), read))
    addChain(namers, chain, headerOf(chain));
  return namers;
}

async function namedByStrangers(
  world: World,
  read: ChainReader,
  state: State,
  domains: readonly DomainStatus[],
  inOthers: Promise<readonly NamedChain[]>,
): Promise<Namers> {
  const namers: Namers = { files: new Map(), blind: [] };
  inOthers.catch(() => undefined); // while we read headers
  const chains = await severalAtOnce(domains, (status) => chainsOfDisks(read, strangeDisks(state, status)));
  for (const [index, status] of domains.entries()) {
    const user = userOf(status);
    for (const chain of chains[index] ?? []) {
      const named = { ...user, name: `${user.name} ${chain.disk}` };
      // By whom is told better than by which of his files.
      if (chain.files === null) namers.blind.push(named);
      else addChain(namers, chain, named);
    }
  }
  const layers = new Set(Object.values(state.layers).map(({ file }) => file));
  for (const chain of await chainsInFolder(world, world.store.paths.layersFolder, layers, read))
    addChain(namers, chain, headerOf(chain));
  for (const chain of await inOthers)
    addChain(namers, chain, { by: "store", id: chain.top, name: `${chain.top} of another store` });
  return namers;
}

function headerOf({ top }: NamedChain): User {
  return { by: "header", id: top, name: top };
}

function userOf({ uuid, name }: DomainStatus): User {
  return { by: "domain", id: uuid, name: `instance ${name}` };
}

/** A definition names files in more places than we read. */
function textsOf(status: DomainStatus): Mention[] {
  return definitionsOf(status).map(({ xml }) => ({ text: xml, user: userOf(status) }));
}

function* namedByState(world: World, state: State): Iterable<[string, User]> {
  const { paths } = world.store;
  const user = (id: string, name: string): User => ({ by: "state", id, name });
  for (const { id, file } of Object.values(state.layers)) yield [file, user(id, `layer ${id}`)];
  for (const { id, name, seed } of Object.values(state.instances)) {
    yield [paths.record(keptName(id)), user(id, `instance ${name}`)];
    if (seed !== null) yield [seed, user(id, `instance ${name}`)];
  }
  for (const one of Object.values(state.snapshots)) {
    const by = user(one.id, `snapshot ${one.name}`);
    if (one.seed !== undefined) yield [one.seed, by];
    for (const path of keptFiles(world, one)) yield [path, by];
  }
  for (const one of Object.values(state.images)) {
    const by = user(one.id, `image ${one.name}`);
    for (const path of recordedFiles(world, one)) yield [path, by];
  }
}

interface Mention {
  readonly text: string;
  readonly user: User;
}

/** What an instance is to be defined with again, where somebody has undefined it. */
async function keptDefinitions(world: World, state: State): Promise<Mention[]> {
  const mentions: Mention[] = [];
  for (const { id, name } of Object.values(state.instances)) {
    const kept = await keptDefinition(world, id);
    if (kept !== null) mentions.push({ text: kept.xml, user: { by: "state", id, name: `instance ${name}` } });
  }
  return mentions;
}

async function keptTexts(world: World): Promise<Mention[]> {
  const { store, host } = world;
  const as =
    (by: User["by"], what: string) =>
    ({ path, text }: KeptText) => ({ text, user: { by, id: path, name: `${what} ${path}` } });
  const open = (await store.journal.list()).map((entry) => ({
    text: JSON.stringify(entry.data),
    user: { by: "journal" as const, id: entry.id, name: `operation ${entry.id}` },
  }));
  const shares: KeptText[] = [];
  for (const name of await host.listFolder(store.paths.sharesFolder)) {
    const path = `${store.paths.sharesFolder}/${name}`;
    const told = await host.readText(path, LONGEST_ENTRY_BYTES);
    if (told !== null) shares.push({ path, text: told.text });
  }
  return [
    ...open,
    ...(await store.journal.aside()).map(as("aside", "the damaged journal entry")),
    ...shares.map(as("share", "the shared image in")),
    ...(await store.stateCopies()).map(as("copy", "the copy of the state")),
  ];
}

const ID = /[a-z]+-[0-9a-f]{17}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

/** A text names a file by its path, or by the id that its name is made of: state and journal leave the folders out. */
function mentions(text: string, path: string): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const id = ID.exec(name)?.[0];
  return text.includes(JSON.stringify(path).slice(1, -1)) || (id !== undefined && text.includes(id));
}

function unique(users: readonly User[]): User[] {
  return users.filter((user, index) => users.findIndex((one) => one.by === user.by && one.id === user.id) === index);
}
