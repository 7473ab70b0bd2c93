/**
 * What the collector and the accounting must know of the machine: who holds which layer, and how many bytes lie where.
 */
import { imageOf } from "../graph/files.ts";
import type { Extent } from "../model/host.ts";
import type { Layer, State } from "../model/state.ts";
import type { World } from "../ports.ts";

/** Bytes of layers, read once. */
export interface LayerSizes {
  /** Allocated on disk. */
  fileBytes(layer: string): number;
  /** What the file itself holds, sorted. */
  extents(layer: string): readonly Extent[];
}

const AT_ONCE = 4;

/** Reads allocation and extents of these layers. A file that is missing, or borrowed, counts as empty. */
export async function readSizes(world: World, layers: readonly Layer[]): Promise<LayerSizes> {
  const bytes = new Map<string, number>();
  const extents = new Map<string, readonly Extent[]>();
  const queue = layers.filter(({ borrowed }) => borrowed === undefined);
  const worker = async () => {
    for (let layer = queue.pop(); layer !== undefined; layer = queue.pop()) {
      bytes.set(layer.id, (await world.host.fileInfo(layer.file))?.allocatedBytes ?? 0);
      extents.set(layer.id, await world.host.ownExtents(imageOf(layer)).catch(() => []));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { fileBytes: (layer) => bytes.get(layer) ?? 0, extents: (layer) => extents.get(layer) ?? [] };
}

/** The layers that are connected with these, downwards and upwards: all that a merge there can touch. */
export function connected(state: State, ids: readonly string[]): Layer[] {
  const found = new Set<string>();
  const queue = [...ids];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    const layer = state.layers[id];
    if (layer === undefined || found.has(id)) continue;
    found.add(id);
    if (layer.parent !== null) queue.push(layer.parent);
    for (const other of Object.values(state.layers)) if (other.parent === id) queue.push(other.id);
  }
  return [...found].map((id) => state.layers[id] as Layer);
}
