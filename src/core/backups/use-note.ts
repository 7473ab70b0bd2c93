/**
 * The note in a backup that an instance, booted from it, still reads there. It lies in the target, for all who may
 * clean up there.
 */
import type { World } from "../ports.ts";
import { usingLayer } from "./parts.ts";
import type { StoredBackup } from "./targets/target.ts";

/** What such a note says. */
export interface Use {
  readonly layer: string;
  /** The id of the store that knows that layer; null where the note is damaged. */
  readonly store: string | null;
  readonly instance: string | null;
  /** Where that store lies, for people. */
  readonly home: string | null;
}

/** `store`: its id. */
export function useNoteText(world: World, store: string, instance: string): string {
  return `${JSON.stringify({ format: 1, store, home: world.store.paths.home, instance })}\n`;
}

export async function usesOf(backup: StoredBackup): Promise<Use[]> {
  const found: Use[] = [];
  for (const file of await backup.list()) {
    const layer = usingLayer(file);
    if (layer === null) continue;
    const text = await backup.readText(file);
    // One that cannot be read (another user's) counts as one that is damaged; one that is gone was let go of meanwhile.
    if (text !== null || (await backup.look(file)) !== null) found.push({ layer, ...parseUse(text ?? "") });
  }
  return found;
}

function parseUse(text: string): Omit<Use, "layer"> {
  try {
    const { format, store, home, instance } = JSON.parse(text);
    const isNote = format === 1 && [store, home, instance].every((one) => typeof one === "string");
    if (isNote) return { store, home, instance };
  } catch {
    // Said below.
  }
  return { store: null, home: null, instance: null };
}
