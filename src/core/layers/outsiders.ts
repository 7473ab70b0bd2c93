/**
 * Who stands on a layer, or names its file, without being in the graph: domains that were never adopted, and disks that
 * are no volume (DESIGN.md, invariant 12).
 */
import { EstratoError } from "../../errors.ts";
import { volumesOf } from "../instances/adopt.ts";
import type { DomainDisk, DomainStatus } from "../model/host.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";

/**
 * For each of these layers who names its file from outside, as "instance web1 vda": by a definition, running or not,
 * or by the headers of what that names. Where a disk cannot be looked through it is taken to stand on all of them.
 */
export async function outsidersOn(
  world: World,
  state: State,
  layers: readonly string[],
): Promise<Map<string, readonly string[]>> {
  const files = new Map<string, string>();
  for (const id of layers) {
    const layer = state.layers[id];
    if (layer === undefined || layer.borrowed !== undefined) continue;
    const file = await world.host.fileInfo(layer.file);
    if (file !== null) files.set(file.identity, id);
  }
  const found = new Map<string, Set<string>>();
  const add = (id: string, name: string) => found.set(id, (found.get(id) ?? new Set()).add(name));
  if (files.size === 0) return new Map();
  for (const status of (await world.host.domainStatuses()).values()) {
    for (const disk of strangeDisks(state, status)) {
      const name = `instance ${status.name} ${disk.device}`;
      const named = await filesOf(world, disk);
      for (const [identity, id] of files) if (named === null || named.has(identity)) add(id, name);
    }
  }
  return new Map([...found].map(([id, names]) => [id, [...names]]));
}

/** All that its definitions name but what the state says of its volumes. */
function strangeDisks(state: State, { uuid, inactive, live }: DomainStatus): DomainDisk[] {
  const volumes = volumesOf(state, uuid);
  const own = new Map([...volumes].map(([device, { head }]) => [device, state.layers[head]?.file]));
  return [...inactive.disks, ...(live?.disks ?? [])].filter(
    ({ device, source }) => source !== null && own.get(device) !== source,
  );
}

/** The identities of a disk's files; null where one of them cannot be read. */
async function filesOf(world: World, disk: DomainDisk): Promise<Set<string> | null> {
  const tops = [
    { path: disk.source, format: disk.format },
    ...(disk.backing ?? []).map(({ path, format }) => ({ path, format: format ?? "raw" })),
  ];
  const found = new Set<string>();
  for (const { path, format } of tops) {
    if (path === null) continue;
    try {
      for (const { identity } of await world.host.imageChain(path, format)) if (identity !== null) found.add(identity);
    } catch (error) {
      if (error instanceof EstratoError && (error.code === "host" || error.code === "integrity")) return null;
      throw error;
    }
  }
  return found;
}
