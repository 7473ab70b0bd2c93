/** Is the graph in one piece? What `doctor` asks of the state before it looks at any file. */
import type { Layer, State } from "../model/state.ts";
import { allPointers, nameOf } from "./references.ts";

/**
 * Every breach, one sentence without a full stop each; [] where the graph is sound. Never throws, whatever the state
 * holds.
 */
export function findings(state: State): string[] {
  const layers = Object.entries(state.layers);
  return [
    ...layers.flatMap(([key, layer]) => aboutLayer(state, key, layer)),
    ...aboutFiles(state),
    ...aboutHeads(state),
    ...aboutPointers(state),
    ...aboutDisks(state),
  ];
}

function aboutLayer(state: State, key: string, layer: Layer): string[] {
  const found: string[] = [];
  if (layer.id !== key) found.push(`layer ${key} is recorded with the id ${layer.id}`);
  if (!layer.file.startsWith("/")) found.push(`layer ${key} has no absolute path (${layer.file})`);
  if (layer.format === "raw" && layer.foreign === null)
    found.push(`layer ${key} is raw, and only files that were there before us are`);
  if (layer.borrowed !== undefined) {
    if (layer.parent !== null || layer.foreign !== null || !layer.frozen)
      found.push(`layer ${key} is borrowed, and recorded as if it were ours`);
  }
  if (layer.parent === null) return found;
  const parent = state.layers[layer.parent];
  if (parent === undefined) return [...found, `layer ${key} stands on ${layer.parent}, which does not exist`];
  if (standsOnItself(state, key)) found.push(`layer ${key} stands on itself`);
  if (!parent.frozen) found.push(`layer ${key} stands on ${parent.id}, which is not frozen`);
  if (layer.foreign === null && layer.sizeBytes < parent.sizeBytes) {
    found.push(
      `layer ${key} has ${layer.sizeBytes} bytes, less than the ${parent.sizeBytes} of ${parent.id}, on which it stands`,
    );
  }
  if (layer.format === "raw") found.push(`layer ${key} is raw and cannot stand on another`);
  if (parent.secret !== null && layer.secret === null) {
    found.push(`layer ${key} is not encrypted, and ${parent.id}, on which it stands, is`);
  } else if (parent.secret !== layer.secret) {
    found.push(`layer ${key} is encrypted otherwise than ${parent.id}, on which it stands`);
  }
  return found;
}

/** Is the layer itself on the ring, rather than only above one? Then each of the ring is named once. */
function standsOnItself(state: State, id: string): boolean {
  const seen = new Set<string>();
  for (let at = state.layers[id]?.parent ?? null; at !== null && !seen.has(at); at = state.layers[at]?.parent ?? null) {
    if (at === id) return true;
    seen.add(at);
  }
  return false;
}

function aboutFiles(state: State): string[] {
  // Whoever starts from a shared image has a layer of his own for it.
  const own = Object.values(state.layers).filter(({ borrowed }) => borrowed === undefined);
  const lenders = Object.values(state.layers).filter(
    (one) => one.borrowed !== undefined && own.some(({ file }) => file === one.file),
  );
  return shared([...own, ...lenders], ({ file }) => file).map(
    ([file, users]) => `${users.map(({ id }) => `layer ${id}`).join(" and ")} have the same file ${file}`,
  );
}

function aboutHeads(state: State): string[] {
  const volumes = Object.values(state.volumes);
  const used = new Set(volumes.map(({ head }) => head));
  return [
    ...shared(volumes, ({ head }) => head).map(
      ([head, users]) =>
        `layer ${head} is the head of ${users.length} volumes (${users.map(({ id }) => id).join(", ")})`,
    ),
    ...volumes
      // A template's own guest is held until it gets a head of its own.
      .filter(({ head }) => state.layers[head]?.frozen && state.layers[head].foreign?.template === undefined)
      .map(({ id, head }) => `the head of volume ${id}, layer ${head}, is frozen`),
    ...Object.values(state.layers)
      .filter(
        ({ id, frozen }) => !frozen && !used.has(id) && Object.values(state.layers).some(({ parent }) => parent === id),
      )
      .map(({ id }) => `layer ${id} is not frozen and no volume's head, and others stand on it`),
  ];
}

function aboutPointers(state: State): string[] {
  const found: string[] = [];
  for (const { pointer, layer: id } of allPointers(state)) {
    const layer = state.layers[id];
    if (layer === undefined) found.push(`${nameOf(state, pointer)} points at layer ${id}, which does not exist`);
    else if (layer.borrowed !== undefined)
      found.push(`${nameOf(state, pointer)} points at layer ${id}, which is borrowed`);
    else if (pointer.kind !== "volume" && !layer.frozen) {
      found.push(`${nameOf(state, pointer)} points at layer ${id}, which is not frozen`);
    }
  }
  return [...new Set(found)];
}

function aboutDisks(state: State): string[] {
  const attached = Object.values(state.volumes).filter(({ instance }) => instance !== null);
  return [
    ...attached
      .filter(({ instance }) => instance !== null && state.instances[instance] === undefined)
      .map(({ id, instance }) => `volume ${id} is attached to instance ${instance}, which does not exist`),
    ...attached
      .filter(({ device }) => device === null)
      .map(({ id }) => `volume ${id} is attached, but not as a device`),
    ...shared(
      attached.filter(({ device }) => device !== null),
      ({ instance, device }) => `instance ${state.instances[instance ?? ""]?.name ?? instance} ${device}`,
    ).map(([disk, users]) => `${disk} is ${users.map(({ id }) => `volume ${id}`).join(" and ")} at once`),
  ];
}

/** The keys that more than one has. */
function shared<T>(all: readonly T[], key: (one: T) => string): [string, T[]][] {
  const groups = new Map<string, T[]>();
  for (const one of all) groups.set(key(one), [...(groups.get(key(one)) ?? []), one]);
  return [...groups].filter(([, users]) => users.length > 1);
}
