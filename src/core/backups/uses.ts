/** Who still reads from a backup: instances that were booted from it, until their data has been pulled. It is said in the target, for all who may clean up there. */
import { EstratoError } from "../../errors.ts";
import type { World } from "../ports.ts";
import { folderOf, readSmall, usingLayer } from "./layout.ts";
import type { Backup } from "./list.ts";

/** A mark in a backup. */
export interface Use {
  readonly layer: string;
  /** The id of the store that knows that layer; null where the mark is damaged. */
  readonly store: string | null;
  readonly instance: string | null;
  /** Where that store lies, for people. */
  readonly home: string | null;
}

/** `store`: its id. */
export function markText(world: World, store: string, instance: string): string {
  return `${JSON.stringify({ format: 1, store, home: world.store.paths.home, instance })}\n`;
}

export async function usesOf(world: World, target: string, id: string): Promise<Use[]> {
  const folder = folderOf(target, id);
  const found: Use[] = [];
  for (const name of await world.host.listFolder(folder)) {
    const layer = usingLayer(name);
    if (layer === null) continue;
    const text = await readSmall(world, `${folder}/${name}`);
    if (text !== null) found.push({ layer, ...parseMark(text) }); // null: let go of meanwhile
  }
  return found;
}

function parseMark(text: string): Omit<Use, "layer"> {
  try {
    const { format, store, home, instance } = JSON.parse(text);
    const isMark = format === 1 && [store, home, instance].every((one) => typeof one === "string");
    if (isMark) return { store, home, instance };
  } catch {
    // Said below.
  }
  return { store: null, home: null, instance: null };
}

/** "instance web1 of /var/lib/estrato", each once. */
export function usersOf({ uses }: Pick<Backup, "uses">): string[] {
  const words = uses.map(({ home, instance, layer }) =>
    home === null ? `an instance (layer ${layer})` : `instance ${instance} of ${home}`,
  );
  return [...new Set(words)];
}

/** Who reads from this backup, or from one that builds on it: its files stay as they are until they do no longer. */
export function readersOf(all: readonly Backup[], id: string): string[] {
  const standing = new Set([id]);
  for (const below of standing) {
    for (const { id: one, manifest } of all)
      if (manifest?.disks.some(({ parent }) => parent === below)) standing.add(one);
  }
  return [...new Set(all.filter((one) => standing.has(one.id)).flatMap(usersOf))];
}

/** Throws "conflict" where somebody reads from it. */
export function requireUnread(all: readonly Backup[], id: string): void {
  const [reader, ...others] = readersOf(all, id);
  if (reader === undefined) return;
  const more = others.length === 0 ? "" : ` and ${others.length} more`;
  throw new EstratoError("conflict", `backup ${id}: ${reader}${more} still reads from it`, {
    hint: "Wait until its data has been pulled, or pull it: estrato doctor --repair, in that store.",
  });
}
