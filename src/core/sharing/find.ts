/**
 * Images that other users share with us: found in the stores of this host's users, and in those that a setting names.
 */
import { EstratoError } from "../../errors.ts";
import { compareAges } from "../../order.ts";
import { findImage } from "../images/find.ts";
import type { HostUser } from "../model/host.ts";
import type { Image, State } from "../model/state.ts";
import { find } from "../names.ts";
import type { World } from "../ports.ts";
import { LONGEST_ENTRY_BYTES, parseCatalogue, type SharedImage } from "./catalogue.ts";

/** An image of somebody else's, and where it lies. */
export interface FoundImage extends SharedImage {
  readonly store: string; // its home folder
  /** Whose it is: the owner of the catalogue entry, by the kernel's word. */
  readonly lender: number;
}

const FIRST_USER = 1000; // login.defs(5), UID_MIN
const NOBODY = 65534;

/** Where stores may be: those of this host's users, the system's, and those that a setting names; not our own. */
export async function storesOfUsers(world: World): Promise<string[]> {
  return storesOf(world, await world.host.users());
}

function storesOf(world: World, users: readonly HostUser[]): string[] {
  const homes = users
    .filter(({ uid }) => uid >= FIRST_USER && uid !== NOBODY)
    .map(({ home }) => `${home}/.local/share/estrato`);
  return [...new Set([...(world.imageStores ?? []), ...homes])].filter((store) => store !== world.store.paths.home);
}

/**
 * Everything that is shared with the caller, the oldest first. What cannot be read is not shared with him, and what he
 * does not understand of one of them keeps none of the others from him: `unread` says why, by id.
 */
export async function sharedImages(world: World, unread = new Map<string, EstratoError>()): Promise<FoundImage[]> {
  const found: FoundImage[] = [];
  const users = await world.host.users();
  for (const store of storesOf(world, users)) {
    const names = await world.host.listFolder(`${store}/shares`).catch(() => []);
    for (const name of names) {
      const id = /^(img-[0-9a-f]+)\.json$/.exec(name)?.[1];
      const entry = id === undefined ? null : await world.host.readText(`${store}/shares/${name}`, LONGEST_ENTRY_BYTES);
      const image = id === undefined || entry === null ? null : readEntry(entry.text, id, unread);
      if (image === null || entry === null) continue;
      // root speaks for others (sudo); anybody else only for himself.
      const lender = users.find(({ uid }) => uid === entry.uid) ?? (await world.host.users(String(entry.uid)))[0];
      const owner = entry.uid === 0 ? image.owner : (lender?.name ?? String(entry.uid));
      found.push({ ...image, owner, store, lender: entry.uid });
    }
  }
  return found.sort(compareAges);
}

function readEntry(text: string, id: string, unread: Map<string, EstratoError>): SharedImage | null {
  try {
    return parseCatalogue(text, id);
  } catch (error) {
    if (!(error instanceof EstratoError)) throw error;
    unread.set(id, error);
    return null;
  }
}

/**
 * The image of this id, name or OWNER/NAME that somebody shares with us. Throws "not_found" where there is none, or
 * several (listed); "host" where that id is of one that a newer estrato shares.
 */
export async function findShared(world: World, target: string): Promise<FoundImage> {
  const unread = new Map<string, EstratoError>();
  const items = await sharedImages(world, unread);
  const why = unread.get(target);
  if (why !== undefined && items.every(({ id }) => id !== target)) throw why;
  return find(
    {
      kind: "image",
      items,
      id: (image) => image.id,
      name: (image) => image.name,
      paths: (image) => [`${image.owner}/${image.name}`],
    },
    target,
  );
}

/** One of our own where there is one of that id or name, else one that is shared with us. */
export async function findAnyImage(
  world: World,
  state: State,
  target: string,
): Promise<{ readonly own: Image; readonly shared: null } | { readonly own: null; readonly shared: FoundImage }> {
  const isOwn = Object.values(state.images).some(({ id, name }) => id === target || name === target);
  if (isOwn) return { own: findImage(state, target), shared: null };
  return { own: null, shared: await findShared(world, target) };
}

/** One of our own. Throws "conflict" for somebody else's: `verb` ("delete") is only for its owner. */
export async function findOwnImage(world: World, state: State, target: string, verb: string): Promise<Image> {
  const { own, shared } = await findAnyImage(world, state, target);
  if (own !== null) return own;
  throw new EstratoError("conflict", `image ${shared.name}: it is ${shared.owner}'s, who alone can ${verb} it`, {
    hint: `Ask ${shared.owner}, or copy it: estrato image save ${target} --file F.`,
  });
}
