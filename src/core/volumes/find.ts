/** From what a person types to a volume, and the locks under which it stays what it is. */
import { EstratoError } from "../../errors.ts";
import type { State, Volume } from "../model/state.ts";
import { find } from "../names.ts";
import { withPlannedFirst } from "../operations/planned-first.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, World } from "../ports.ts";

/** A volume as people call it: its name, INSTANCE/DEVICE where it has none, else its id. */
export function volumeLabel(state: State, volume: Volume): string {
  return volume.name ?? devicePath(state, volume) ?? volume.id;
}

/**
 * The volume that `target` names: an id, a name, or INSTANCE/DEVICE. Throws "not_found" where there is none, or several
 * (listed).
 */
export function findVolume(state: State, target: string): Volume {
  return find(
    {
      kind: "volume",
      items: Object.values(state.volumes),
      id: (volume) => volume.id,
      name: (volume) => volume.name,
      paths: (volume) => {
        const path = devicePath(state, volume);
        return path === null ? [] : [path, `${volume.instance}/${volume.device}`];
      },
    },
    target,
  );
}

function devicePath(state: State, { instance, device }: Volume): string | null {
  const name = instance === null ? undefined : state.instances[instance]?.name;
  return name === undefined || device === null ? null : `${name}/${device}`;
}

/** The volume's own lock, which attaching and detaching take too, and that of the instance it is attached to. */
export function volumeLocks(volume: Volume): string[] {
  return volume.instance === null ? [volume.id] : [volume.id, volume.instance];
}

const ATTEMPTS = 5;

/**
 * Works on a volume under its locks, and those that `more` names: it stays attached, or free, as `body` finds it.
 * Throws "not_found"; "conflict" where another command works on it or its instance.
 */
export async function withVolume<T>(
  world: World,
  target: string,
  body: (locks: HeldLocks, state: State, volume: Volume) => Promise<T>,
  more: readonly string[] = [],
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const seen = findVolume(await world.store.read(), target);
    const names = [...new Set([...volumeLocks(seen), ...more])];
    const done = await withLocks(world, names, async (locks) => {
      const state = await world.store.read();
      const volume = state.volumes[seen.id];
      if (volume === undefined) throw new EstratoError("not_found", `volume ${target}: it has been deleted meanwhile`);
      // Recovery, or somebody before us, has attached or detached it since we looked: other locks are needed.
      if (volumeLocks(volume).some((name) => !locks.names.includes(name))) return null;
      return { result: await body(locks, state, volume) };
    });
    if (done !== null) return withPlannedFirst(world, done.result);
    if (attempt === ATTEMPTS) {
      throw new EstratoError("conflict", `volume ${target}: it is being attached or detached`, { hint: "Try again." });
    }
  }
}

/** As it is recorded now: what an operation on it leaves. */
export async function storedVolume(world: World, volume: Volume): Promise<Volume> {
  return (await world.store.read()).volumes[volume.id] ?? volume;
}
