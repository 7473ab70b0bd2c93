/** What a layer of ours begins as in the state, and how it is let go of. */
import { changeRows } from "../model/drafts.ts";
import type { Layer, State } from "../model/state.ts";
import type { World } from "../ports.ts";

/** A head: what stands on `parent`, and is encrypted with its secret. */
export function newHeadLayer(world: World, parent: Layer, sizeBytes: number): Layer {
  const { secret } = parent;
  return { ...newLayer(world, { sizeBytes, frozen: false, secret }), parent: parent.id };
}

/** A file of its own, under a new id, which stands on nothing. Nothing is made yet. */
export function newLayer(world: World, own: Pick<Layer, "sizeBytes" | "frozen" | "secret">): Layer {
  const id = world.ids.next("lay");
  const createdAt = world.clock.now().toISOString();
  const file = world.store.paths.layer(id);
  return { id, parent: null, file, format: "qcow2", ...own, foreign: null, busy: null, createdAt };
}

/** Whatever an operation was at, by its mark, is anybody's again. Idempotent. */
export function unmarkBusy(draft: State, mark: string): void {
  changeRows(
    draft.layers,
    ({ busy }) => busy === mark,
    (layer) => {
      layer.busy = null;
    },
  );
}
