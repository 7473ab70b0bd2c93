/**
 * Who names a file: the one answer to "may this be unlinked?" (DESIGN.md, invariant 12). In use is what anything names:
 * the state, the definitions of all domains and what QEMU has open, the headers of all that these and our folders hold,
 * what others are told of shared images, the journal, and the kept copies of the state.
 */
import { EstratoError } from "../errors.ts";
import { copyFiles } from "./firmware.ts";
import { keptDefinition, keptName } from "./instances/kept-definition.ts";
import type { DomainStatus } from "./model/host.ts";
import type { State } from "./model/state.ts";
import type { KeptText, World } from "./ports.ts";
import { LONGEST_ENTRY_BYTES } from "./sharing/catalogue.ts";

/** Who names a file. */
export interface User {
  readonly by: "state" | "domain" | "header" | "share" | "journal" | "copy";
  /** The instance, snapshot, image or layer, the domain's UUID, or the path of the file that names it. */
  readonly id: string;
  /** In words for messages: "instance web1". */
  readonly name: string;
}

/** What was found in the headers of files: path → what it stands on. To be handed on where many looks follow. */
export type Headers = Map<string, string | null>;

/** The answers of one look. */
export interface InUse {
  /** Everybody who names the file by itself: state, definitions, journal, shares, copies. For what is no image. */
  naming(path: string): User[];
  /** Besides, everybody who names it by a header of an image, or might. */
  users(path: string): Promise<User[]>;
  /** Does anybody? Cheaper. */
  isNamed(path: string): Promise<boolean>;
}

/**
 * Looks at everything, and answers for any file of ours. Throws "host" where libvirt does not answer; where a QEMU does
 * not, or a header cannot be read, that one may name anything (DESIGN.md, invariant 14). `headers`: those in it are not
 * read again.
 */
export async function filesInUse(world: World, state: State, headers: Headers = new Map()): Promise<InUse> {
  const known = new Map<string, User[]>();
  const add = (path: string, user: User) => known.set(path, [...(known.get(path) ?? []), user]);
  for (const [path, user] of namedByState(world, state)) add(path, user);
  const domains = [...(await world.host.domainStatuses()).values()];
  for (const status of domains) for (const path of namedByDomain(status)) add(path, userOf(status));
  const texts = [...domains.flatMap(textsOf), ...(await keptDefinitions(world, state)), ...(await keptTexts(world))];
  const blind: User[] = [];
  const doubt = await world.store.doubt();
  if (doubt !== null) blind.push({ by: "copy", id: doubt, name: `what the state lacks by ${doubt}` });
  let isWalked = false;

  const naming = (path: string) =>
    unique([...(known.get(path) ?? []), ...texts.filter(({ text }) => mentions(text, path)).map(({ user }) => user)]);
  const inHeaders = async (path: string) => {
    if (!isWalked) await walkHeaders(world, domains, headers, add, (user) => blind.push(user));
    isWalked = true;
    return [...(known.get(path) ?? []), ...blind.filter(({ id }) => id !== path)];
  };
  return {
    naming,
    users: async (path) => unique([...naming(path), ...(await inHeaders(path))]),
    isNamed: async (path) => known.has(path) || naming(path).length > 0 || (await inHeaders(path)).length > 0,
  };
}

function userOf({ uuid, name }: DomainStatus): User {
  return { by: "domain", id: uuid, name: `instance ${name}` };
}

function definitionsOf({ inactive, live }: DomainStatus) {
  return live === null ? [inactive] : [inactive, live];
}

function namedByDomain(status: DomainStatus): string[] {
  return definitionsOf(status)
    .flatMap(({ disks, nvram }) => [
      ...disks.flatMap(({ source, backing }) => [source, ...(backing ?? []).map(({ path }) => path)]),
      nvram,
    ])
    .filter((path) => path !== null);
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
  const kept = [
    ...Object.values(state.snapshots).map((one) => ({ one, memory: one.memory, what: `snapshot ${one.name}` })),
    ...Object.values(state.images).map((one) => ({ one, memory: null, what: `image ${one.name}` })),
  ];
  for (const { one, memory, what } of kept) {
    const by = user(one.id, what);
    if (one.definition !== null) yield [paths.record(one.definition), by];
    for (const path of copyFiles(world, one)) yield [path, by];
    if (memory === null) continue;
    yield [paths.memory(memory.file), by];
    if (memory.definition !== null) yield [paths.record(memory.definition), by];
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
    ...(await store.journal.aside()).map(as("journal", "the damaged journal entry")),
    ...shares.map(as("share", "the shared image in")),
    ...(await store.stateCopies()).map(as("copy", "the copy of the state")),
  ];
}

/**
 * Everything that something else stands on: below each disk of each domain, and below each file in our folder. What
 * QEMU has open counts too: a header may be older than its last switch.
 */
async function walkHeaders(
  world: World,
  domains: readonly DomainStatus[],
  headers: Headers,
  add: (path: string, user: User) => void,
  mayNameAnything: (user: User) => void,
): Promise<void> {
  const walk = async (top: string, user: User) => {
    try {
      for (const path of await below(world, top, headers)) add(path, user);
    } catch (error) {
      if (!(error instanceof EstratoError)) throw error;
      mayNameAnything({ by: "header", id: top, name: `${top}, which cannot be read` });
    }
  };
  for (const status of domains) {
    for (const { source, format } of definitionsOf(status).flatMap(({ disks }) => disks)) {
      // A raw disk stands on nothing, whatever its guest writes to its beginning
      if (source !== null && format !== "raw") await walk(source, userOf(status));
    }
    if (status.live === null) continue;
    try {
      for (const { chain } of await world.host.qemuDisks(status.uuid))
        for (const path of chain) add(path, userOf(status));
    } catch (error) {
      if (!(error instanceof EstratoError)) throw error;
      mayNameAnything({ ...userOf(status), name: `instance ${status.name}, whose QEMU does not answer` });
    }
  }
  const folder = world.store.paths.layersFolder;
  for (const name of await world.host.listFolder(folder)) {
    const top = `${folder}/${name}`;
    if (name.endsWith(".qcow2")) await walk(top, { by: "header", id: top, name: top });
  }
}

/** What a file stands on, all the way down, by the headers. */
async function below(world: World, top: string, headers: Headers): Promise<string[]> {
  const found: string[] = [];
  let path: string | null = top;
  while (path !== null && !found.includes(path)) {
    found.push(path); // a ring ends: QEMU could not open it either
    path = await backingOf(world, path, headers);
  }
  return found.slice(1);
}

async function backingOf(world: World, path: string, headers: Headers): Promise<string | null> {
  const known = headers.get(path);
  if (known !== undefined) return known;
  const info = await world.host.imageInfo(path, { shared: true });
  headers.set(path, info?.backing ?? null);
  return info?.backing ?? null;
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
