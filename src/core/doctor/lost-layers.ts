/** Layers that something in the state stands on or points at, and that are not in it: read again from their files. */
import { allPointers } from "../graph/references.ts";
import type { Layer, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { isSameFile } from "../same-file.ts";

/**
 * Records again what the headers in our folder say of such layers, with all that they stand on. One of which the file
 * is gone, or whose header names a file that nobody can place, is left as it is: doctor names it.
 */
export async function recordLostLayers(world: World): Promise<void> {
  for (;;) {
    const state = await world.store.read();
    const found: Layer[] = [];
    for (const id of missingLayers(state)) {
      const layer = await layerFromFile(world, state, id);
      if (layer !== null) found.push(layer);
    }
    if (found.length === 0) return;
    await world.store.update((draft) => {
      for (const layer of found) draft.layers[layer.id] ??= layer;
    });
    for (const { file } of found) world.report.note(`${file}: recorded again, as its header says`);
  }
}

function missingLayers(state: State): string[] {
  const named = [
    ...allPointers(state).map(({ layer }) => layer),
    ...Object.values(state.layers).flatMap(({ parent }) => (parent === null ? [] : [parent])),
  ];
  return [...new Set(named)].filter((id) => state.layers[id] === undefined);
}

async function layerFromFile(world: World, state: State, id: string): Promise<Layer | null> {
  const file = world.store.paths.layer(id);
  const info = await world.host.imageInfo(file, { shared: true, format: "qcow2" }).catch(() => null);
  if (info === null) return null;
  const parent = info.backing === null ? null : await ownerOf(world, state, info.backing);
  if (info.backing !== null && parent === null) return null;
  const near = Object.values(state.layers).filter((one) => one.parent === id || one.id === parent);
  const secret = info.encrypted ? (near.find((one) => one.secret !== null)?.secret ?? null) : null;
  if (info.encrypted && secret === null) return null;
  return {
    id,
    parent,
    file,
    format: "qcow2",
    sizeBytes: info.virtualSizeBytes,
    frozen: !Object.values(state.volumes).some(({ head }) => head === id),
    foreign: null,
    secret,
    busy: null,
    createdAt: world.clock.now().toISOString(),
  };
}

/** The layer whose file this is: a recorded one, or one of ours by its name, whose record is lost too. */
async function ownerOf(world: World, state: State, path: string): Promise<string | null> {
  for (const { id, file, borrowed } of Object.values(state.layers))
    if (borrowed === undefined && (await isSameFile(world, file, path))) return id;
  const id = /\/(lay-[0-9a-f]{17})\.qcow2$/.exec(path)?.[1];
  return id !== undefined && world.store.paths.layer(id) === path ? id : null;
}
