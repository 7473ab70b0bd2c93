/**
 * What an instance is told about itself at its first boot.
 * Source: https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
 */
import type { Action } from "../model/action.ts";
import type { Instance, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { snapshotsOf } from "../snapshots/names.ts";
import { AGENT } from "./agent.ts";
import { hostnameOf } from "./hostname.ts";
import { OWN_IDENTITY } from "./own-identity.ts";
import { configWith, userDataWith } from "./user-data.ts";

export interface SeedContents {
  readonly uuid: string; // the instance-id: a new one makes a clone a machine of its own
  readonly name: string;
  readonly publicKey: string | null;
  readonly userData: string | null; // as given; null: keys only
  readonly ownIdentity?: boolean; // nothing by which machines are told apart stays of whom it is a copy
  readonly agent?: boolean; // cloud-init installs the guest agent
  readonly networkConfig: string | null; // null: it finds out by itself
}

/**
 * The device of the seed: the last letter, since volumes that are attached later take the next free one, and 24 of them
 * fit in between. Only a name inside the definition: the guest finds the seed by its label.
 */
export const SEED_DEVICE = "vdz";

/**
 * The action that makes the seed at `path`. Values are JSON strings, which YAML reads as they are whatever they hold.
 */
export function createSeed(path: string, contents: SeedContents): Action {
  const { networkConfig } = contents;
  return { do: "create-seed", path, metaData: metaData(contents), userData: userData(contents), networkConfig };
}

function metaData(contents: SeedContents): string {
  const lines = [
    `instance-id: ${JSON.stringify(contents.uuid)}`,
    `local-hostname: ${JSON.stringify(hostnameOf(contents.name))}`,
  ];
  if (contents.publicKey !== null) lines.push("public-keys:", `  - ${JSON.stringify(contents.publicKey)}`);
  return `${lines.join("\n")}\n`;
}

function userData({ userData: given, publicKey, ownIdentity = false, agent = false }: SeedContents): string {
  const parts = [...(ownIdentity ? [OWN_IDENTITY] : []), ...(agent ? [AGENT] : [])];
  return given === null ? configWith(keyConfig(publicKey), parts) : userDataWith(given, parts);
}

function keyConfig(publicKey: string | null): string {
  if (publicKey === null) return "#cloud-config\n{}\n";
  return `#cloud-config\nssh_authorized_keys:\n  - ${JSON.stringify(publicKey)}\n`;
}

/**
 * The path of the seed that a rebuild makes: named by its instance-id, since that is what tells it from the others, and
 * by the instance, since each goes with the last of its snapshots that had it.
 */
export function laterSeed(world: World, uuid: string, instanceId: string): string {
  return world.store.paths.seed(`${instanceId}.${uuid}`);
}

/** What a snapshot notes of the seed that its instance has: nothing of the first one. */
export function notedSeed(instance: Instance | undefined): { readonly seed?: string } {
  const { id, seed = null } = instance ?? {};
  return seed?.endsWith(`.${id}.iso`) ? { seed } : {};
}

/** Those that rebuilds made for an instance. */
export async function laterSeeds(world: World, uuid: string): Promise<string[]> {
  const first = world.store.paths.seed(uuid);
  const folder = first.slice(0, first.lastIndexOf("/"));
  const names = await world.host.listFolder(folder);
  return names.filter((name) => name.endsWith(`.${uuid}.iso`)).map((name) => `${folder}/${name}`);
}

/** Of these, what neither the instance nor a snapshot of it (but `without`), nor anybody else, has any more. */
export async function looseSeeds(
  world: World,
  state: State,
  uuid: string,
  without: readonly string[] = [],
): Promise<string[]> {
  const later = await laterSeeds(world, uuid);
  if (later.length === 0) return []; // of nearly all
  const snapshots = Object.fromEntries(Object.entries(state.snapshots).filter(([id]) => !without.includes(id)));
  const left = { ...state, snapshots };
  const needed = new Set([state.instances[uuid]?.seed, ...snapshotsOf(left, uuid).map(({ seed }) => seed)]);
  const loose = later.filter((path) => !needed.has(path));
  if (loose.length === 0) return [];
  const { ownAlone } = await import("./own-alone.ts");
  return ownAlone(world, { state: left, uuid }, loose);
}
