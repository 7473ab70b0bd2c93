/**
 * Files of others that stood on a layer of ours, of which nobody is left, and which are gone. While they are recorded
 * what they stood on stays (DESIGN.md, section 1), for good.
 */
import { dirname } from "node:path";
import { descendants, standingOn } from "../graph/references.ts";
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
  if (!(await isNobodys(world, state, layer.id))) return null;
  const folder = dirname(layer.file);
  const isAway = (await world.host.listFolder(folder)).length === 0;
  return {
    subject: layer.file,
    problem: `it is missing${isAway ? `, as all that lay in ${folder}` : ""}; it stood on a layer of ours, and nothing here needs it`,
    remedy: isAway
      ? "Mount the disk that it lies on. If that is gone for good, say so at a terminal (--yes is no answer), and it is forgotten."
      : "Forget it, and collect what it stood on; or put it back, or mount the disk that it lies on.",
    mending: {
      locks: [layer.id],
      byPerson: isAway,
      // The disk that it lies on may just not be mounted.
      loses: [`what ${layer.file} holds, if it is not gone but away: it cannot be read without what it stands on`],
      mend: async (w) => {
        const now = await w.store.read();
        if (!(await isNobodys(w, now, layer.id))) return;
        await w.store.update((draft) => {
          for (const id of [layer.id, ...descendants(draft, layer.id)]) delete draft.layers[id];
        });
      },
    },
  };
}

/** Neither it nor what stood on it is there or pointed at, and no guest names it or cannot be looked through. */
async function isNobodys(world: World, state: State, id: string): Promise<boolean> {
  if (standingOn(state, id).length > 0) return false;
  for (const one of [id, ...descendants(state, id)]) {
    const layer = state.layers[one];
    // It may have been a head: one that a guest left behind is not frozen.
    if (layer == null || layer.foreign === null || layer.parent === null || layer.busy !== null) return false;
    if ((await world.host.fileInfo(layer.file)) !== null) return false;
  }
  const named = await outsidersOn(world, state, [state.layers[id]?.parent ?? ""]);
  return named.size === 0;
}
