/**
 * How a merge that a kill cut short goes on. Only forward, and the same way: a chain whose headers were half changed
 * for one way must not be read by the rules of the other. How (by a guest or by qemu-img) is decided anew: guests may
 * have been started or stopped since.
 */
import { EstratoError } from "../../errors.ts";
import type { Layer, State } from "../model/state.ts";
import { blocked } from "./collect.ts";
import type { Abandon, Defer, Merge, ResumeFacts } from "./decisions.ts";
import { carriedLayers, type Held, heldBy, liveDisk, sameDisk } from "./merging.ts";
import { instanceDisk, layerGraph } from "./references.ts";

/**
 * What is left to do of `merge`, for `mergeEffects`; null where the state has it already and only the journalled
 * cleanup is left; a deferral where a guest that was started meanwhile must stop first (all reads right until then, the
 * entry stays). Before it: wait for or abort a block job that goes on. Throws "integrity" where the child has vanished.
 */
export function resumeMerge(state: State, facts: ResumeFacts, merge: Merge): Merge | Abandon | Defer | null {
  const layer = state.layers[merge.layer];
  const child = state.layers[merge.child];
  if (layer === undefined) return null;
  if (child === undefined || child.parent !== layer.id) {
    throw new EstratoError(
      "integrity",
      `layer ${layer.id}: its merge cannot go on, ${merge.child} does not stand on it`,
    );
  }
  const stopped = blocked(state, facts, layer.id, child.id);
  if (stopped !== null) return stopped;
  const held = heldBy(facts, layer.id, child.id);
  const carried = merge.way === "down" ? carriedLayers(state, child.id, facts, layerGraph(state)) : [];
  if (hasMoved(state, facts, merge, layer, child, held)) {
    // A header below a running guest cannot be re-pointed: whoever still reads the child's old file goes on doing so
    // until he stops.
    if (merge.way === "down" && held.child.length > 0) return waitFor(state, layer.id, held);
    return { ...merge, live: null, carried, moved: true };
  }
  // The rest may take hours, and whoever recovers has come for something else: it is begun again by who asks for it.
  if (layer.borrowed !== undefined && standsUnchanged(held)) {
    return { kind: "abandon", layer: layer.id, child: child.id, relink: held.all.length === 0 };
  }
  const live = liveDisk(state, layerGraph(state), layer, child, held);
  const cannot = live !== null && "kind" in live;
  // Nothing is void and no header has changed: QEMU still reads the child through the layer. Down there is no such way
  // back.
  if (merge.way === "up" && live !== null && (cannot || child.frozen) && standsUnchanged(held)) {
    return { kind: "abandon", layer: layer.id, child: child.id, relink: false };
  }
  if (cannot) return live;
  return { ...merge, live, carried, moved: false };
}

/**
 * Did the data arrive? Where nothing shows it, no: repeating is then harmless, since nobody has written into what it
 * would overwrite.
 */
function hasMoved(state: State, facts: ResumeFacts, merge: Merge, layer: Layer, child: Layer, held: Held): boolean {
  // Up: the child's header is switched last; a guest on it that does not have the layer open started after that.
  if (merge.way === "up") return held.child.length > 0 && held.layer.length === 0;
  // Down, in the middle: a header above is re-pointed only after the data, and only such a guest holds the layer and
  // not the child.
  if (!merge.head) return held.layer.some((one) => !held.child.some((other) => sameDisk(one, other)));
  // Down, a head: the guest may have gone on writing in the layer's file, and a second commit of the old head would
  // undo that.
  if (held.child.length > 0) return false;
  if (held.layer.length > 0) return true;
  const volume = Object.values(state.volumes).find(({ head }) => head === child.id);
  if (!volume?.instance || !volume.device) return false;
  return facts.definedFile(volume.instance, volume.device) === layer.file;
}

/** Every guest on the child has the layer open too, and the other way round. */
function standsUnchanged({ layer, child }: Held): boolean {
  return layer.length === child.length && layer.every((one) => child.some((other) => sameDisk(one, other)));
}

function waitFor(state: State, layer: string, held: Held): Defer {
  const by = held.child.map((holder) => instanceDisk(state, holder.instance, holder.device));
  return { kind: "defer", layer, reason: "a merge was cut short, and what it left to do needs them off", by };
}
