/**
 * Whose backups a name means: those of the instance that is called so now. What a name once meant, or means for another
 * instance, selects nothing. Lists and deletions ask here.
 */
import { EstratoError } from "../../errors.ts";
import type { World } from "../ports.ts";
import { type Backup, byAge } from "./backup.ts";

/**
 * The UUID of the instance that `word` (its UUID or name) means among those of which there are backups, and those that
 * this host has. An instance that this host does not know has the name that its newest backup knows it by. Throws
 * "not_found" where several are called so (listed).
 */
export async function instanceMeant(world: World, all: readonly Backup[], word: string): Promise<string | null> {
  if (all.some(({ manifest }) => manifest?.instance.id === word)) return word;
  const here = await namesHere(world);
  if (here.has(word)) return word;
  const now = [...here].filter(([, name]) => name === word).map(([id]) => id);
  const last = new Map<string, string>();
  for (const { manifest } of [...all].sort(byAge)) {
    if (manifest !== null && !here.has(manifest.instance.id)) last.set(manifest.instance.id, manifest.instance.name);
  }
  const elsewhere = [...last].filter(([, name]) => name === word).map(([id]) => id);
  const found = now.length > 0 ? now : elsewhere;
  if (found.length > 1) {
    throw new EstratoError("not_found", `instance ${word}: ambiguous: ${found.sort().join(", ")}`, {
      hint: "Name one of these.",
    });
  }
  return found[0] ?? null;
}

/**
 * Says in a note that there are backups of an instance that had this name once, and under which it is found now: who
 * looks for them by the old one should not take them for lost.
 */
export function noteFormer(world: World, all: readonly Backup[], word: string): void {
  const former = new Map<string, string>();
  for (const { manifest, instanceName } of all) {
    if (manifest?.instance.name === word) former.set(manifest.instance.id, instanceName ?? word);
  }
  for (const [id, name] of former) {
    world.report.note(
      `${word}: there are backups of an instance that was called so: ${id}${name === word ? "" : `, now ${name}`}`,
    );
  }
}

/** What the instances of this host are called, by UUID: libvirt's word comes before ours. */
async function namesHere(world: World): Promise<Map<string, string>> {
  const { instances } = await world.store.read();
  const names = new Map(Object.values(instances).map(({ id, name }) => [id, name]));
  for (const { uuid, name } of await domains(world, names.size > 0)) names.set(uuid, name);
  return names;
}

/** A machine that has nothing but the target may have no libvirt either. */
async function domains(world: World, isNeeded: boolean) {
  try {
    return await world.host.listDomains();
  } catch (error) {
    if (isNeeded || !(error instanceof EstratoError)) throw error;
    return [];
  }
}
