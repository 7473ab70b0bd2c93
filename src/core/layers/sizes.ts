/**
 * What the collector and the accounting must know of the machine: who holds which layer, and how many bytes lie where.
 */
import { EstratoError } from "../../errors.ts";
import { severalAtOnce } from "../../several-at-once.ts";
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
  /** Layers of which nobody knows that: their files are there, and cannot be read. */
  readonly unread: ReadonlySet<string>;
}

/** Reads allocation and extents of these layers. A file that is missing, or borrowed, counts as empty. */
export async function readSizes(world: World, layers: readonly Layer[]): Promise<LayerSizes> {
  const bytes = new Map<string, number>();
  const extents = new Map<string, readonly Extent[]>();
  const unread = new Set<string>();
  const own = layers.filter(({ borrowed }) => borrowed === undefined);
  await severalAtOnce(own, async (layer) => {
    const file = await world.host.fileInfo(layer.file);
    if (file === null) return;
    bytes.set(layer.id, file.allocatedBytes);
    const found = await readExtents(world, layer);
    if (found === null) unread.add(layer.id);
    else extents.set(layer.id, found);
  });
  return { fileBytes: (layer) => bytes.get(layer) ?? 0, extents: (layer) => extents.get(layer) ?? [], unread };
}

/** Null where they cannot be read. */
async function readExtents(world: World, layer: Layer): Promise<readonly Extent[] | null> {
  try {
    return await world.host.ownExtents(imageOf(layer));
  } catch (error) {
    if (error instanceof EstratoError && error.code !== "interrupted") return null;
    throw error;
  }
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
