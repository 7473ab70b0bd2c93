/**
 * Files of others that nothing of ours stands on any more, and which are gone. While they are recorded what they stood
 * on stays (DESIGN.md, section 1), for good.
 */
import { dirname } from "node:path";
import { children, descendants, standingOn } from "../graph/references.ts";
import { outsidersOn } from "../layers/outsiders.ts";
import type { Layer, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import type { Finding } from "./finding.ts";

/**
 * To be asked of a layer whose file is missing. Null: something needs it, and it is not ours to forget. Where nothing
 * at all is left of the folder that it lay in (a mount point without its disk looks like that), only a person can say
 * whether it is gone or away.
 */
export async function examineGoneForeign(world: World, state: State, layer: Layer): Promise<Finding | null> {
  const gone = await goneFrom(world, state, layer.id);
  if (gone === null) return null;
  const folder = dirname(layer.file);
  const isAway = (await world.host.listFolder(folder)).length === 0;
  return {
    subject: layer.file,
    problem: `it is missing${isAway ? `, as all that lay in ${folder}` : ""}; nothing here needs it${layer.parent === null ? "" : ", and it stood on a layer of ours"}`,
    remedy: isAway
      ? "Mount the disk that it lies on. If that is gone for good, say so at a terminal (--yes is no answer), and it is forgotten."
      : "Forget it, and collect what it stood on; or put it back, or mount the disk that it lies on.",
    mending: {
      locks: [layer.id],
      byPerson: isAway,
      // The disk that it lies on may just not be mounted.
      loses: gone.map(({ file, parent }) =>
        parent === null
          ? `the owner and mode that ${file} had, if it is not gone but away`
          : `what ${file} holds, if it is not gone but away: it cannot be read without what it stands on`,
      ),
      mend: (w) => forget(w, layer.id),
    },
  };
}

/** From the top down: a layer of ours in between goes when nothing stands on it any more, and lets go of the next. */
async function forget(world: World, id: string): Promise<void> {
  const { collect } = await import("../layers/collect.ts");
  let before: number;
  let after = Number.POSITIVE_INFINITY;
  do {
    before = after;
    const gone = await goneFrom(world, await world.store.read(), id);
    if (gone === null) return;
    await world.store.update((draft) => {
      for (const one of gone.toReversed()) if (children(draft, one.id).length === 0) delete draft.layers[one.id];
    });
    await collect(world);
    const { layers } = await world.store.read();
    after = id in layers ? Object.keys(layers).length : before;
  } while (after < before);
}

/**
 * It, and what is gone of others above it, nearest first: where none of them is there or pointed at, all between them
 * is ours, and no guest names what they stood on or cannot be looked through. Else null.
 */
async function goneFrom(world: World, state: State, id: string): Promise<Layer[] | null> {
  if (standingOn(state, id).length > 0) return null;
  const gone: Layer[] = [];
  for (const one of [id, ...descendants(state, id)]) {
    const layer = state.layers[one];
    if (layer == null || layer.busy !== null || layer.borrowed !== undefined) return null;
    if (layer.foreign === null) continue; // nothing points at it: it goes by itself
    // It may have been a head: one that a guest left behind is not frozen.
    if ((await world.host.fileInfo(layer.file)) !== null) return null;
    gone.push(layer);
  }
  if (gone[0]?.id !== id) return null;
  const named = await outsidersOn(world, state, [...new Set(gone.flatMap(({ parent }) => parent ?? []))]);
  return named.size === 0 ? gone : null;
}
