/** A guest that is taken in, as the state has it: stored, made this store's, and forgotten again. */
import { isDeepStrictEqual } from "node:util";
import { EstratoError } from "../../errors.ts";
import { chain, children, pointersAt } from "../graph/references.ts";
import { asRead } from "../model/drafts.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Layer, State } from "../model/state.ts";
import { perform } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";
import { markAsOurs, marking, requireNoOthersMark } from "./marks.ts";

/**
 * Stores what the draft has and the state lacked. Throws "conflict" where somebody has taken one of its files in since
 * that was read, or works on a layer that it stands on.
 */
export async function storeAdoption(
  world: World,
  before: State,
  draft: State,
  files: Map<string, string>,
  name: string,
): Promise<void> {
  const mine = new Map([...files].map(([identity, id]) => [id, identity]));
  const seen = new Set(Object.keys(before.layers));
  const changed = Object.values(draft.layers).filter(
    ({ id }) => !isDeepStrictEqual(before.layers[id], draft.layers[id]),
  );
  const touched = changed.flatMap(({ id, parent }) => [id, ...(parent === null ? [] : [parent])]);
  const again = () =>
    new EstratoError("conflict", `instance ${name}: a file that it stands on has been taken in meanwhile`, {
      hint: "Try again.",
    });
  for (;;) {
    const strangers = await world.store.update((now) => {
      const others = Object.values(asRead(now.layers)).filter(({ id, foreign }) => foreign !== null && !seen.has(id));
      if (others.length > 0) return others;
      const same = touched.every((id) => !seen.has(id) || isDeepStrictEqual(before.layers[id], now.layers[id]));
      if (!same) throw again();
      for (const layer of changed) now.layers[layer.id] = layer;
      for (const volume of Object.values(draft.volumes)) {
        if (before.volumes[volume.id] === undefined) now.volumes[volume.id] = volume;
      }
      for (const one of Object.values(draft.instances)) {
        if (before.instances[one.id] === undefined) now.instances[one.id] ??= one;
      }
      return [];
    });
    if (strangers.length === 0) return;
    const taken = new Set(changed.map(({ id }) => mine.get(id)));
    for (const { id, file } of strangers) {
      if (taken.has((await world.host.fileInfo(file))?.identity)) throw again();
      seen.add(id);
    }
  }
}

/**
 * Once it is recorded it is marked, and only then looked at for the mark of another store that does the same: then it
 * is forgotten again. Killed in between it is one without a mark, which the next change of it gives it.
 */
export async function claim(
  world: World,
  locks: HeldLocks,
  before: State,
  draft: State,
  status: DomainStatus,
): Promise<void> {
  await markAsOurs(world, locks, status);
  const [state, now] = [await world.store.read(), await world.host.domainStatus(status.uuid)];
  try {
    if (now !== null) await requireNoOthersMark(world, { ...state, instances: before.instances }, now);
  } catch (error) {
    const volumes = Object.keys(draft.volumes).filter((id) => before.volumes[id] === undefined);
    const heads = volumes.flatMap((id) => state.layers[state.volumes[id]?.head ?? ""] ?? []);
    await forget(world, { uuid: status.uuid, volumes, heads });
    await perform(world, locks, marking(world, state, status.uuid, false));
    throw error;
  }
}

interface AdoptedGuest {
  readonly uuid: string;
  readonly volumes: readonly string[]; // ids
  readonly heads: readonly Layer[];
}

/** Takes it out of the state, with what only it needs. Idempotent. */
export async function forget(world: World, { uuid, volumes, heads }: AdoptedGuest): Promise<void> {
  await world.store.update((draft) => {
    for (const id of volumes) delete draft.volumes[id];
    for (const { id } of heads) if (isAlone(draft, id)) delete draft.layers[id];
    delete draft.instances[uuid];
  });
}

/** Does nothing need it, nor it anything of ours? What it stands on otherwise is collected, or goes on being used. */
function isAlone(draft: State, id: string): boolean {
  if (draft.layers[id] === undefined) return false;
  const below = chain(draft, id);
  const foreign = below.every((one) => draft.layers[one]?.foreign != null);
  return foreign && children(draft, id).length === 0 && pointersAt(draft, id).length === 0;
}
