/** Disks that a definition names by a storage pool and a volume in it (`<source pool='…' volume='…'/>`). */
import type { DomainDefinition, PoolVolume } from "../core/model/host.ts";
import type { Virsh } from "./virsh.ts";
import { attribute, readXml } from "./xml.ts";

/** What a pool says of itself: its type, and the path of the volume; null where it does not say. */
export interface PoolFacts {
  readonly type: string | null;
  readonly path: string | null;
}

/** Pools whose volumes are files or block devices of this host, each with a path of its own. */
const LAYERABLE = ["dir", "fs", "netfs", "logical"];

/** The same with the path of each such disk, where its pool is of a kind that has paths, and is active. */
export function withPoolPaths(
  definition: DomainDefinition,
  facts: (named: PoolVolume) => PoolFacts | undefined,
): DomainDefinition {
  if (definition.disks.every(({ pool }) => pool === null)) return definition;
  const disks = definition.disks.map((disk) => {
    if (disk.pool === null) return disk;
    const { type = null, path = null } = facts(disk.pool) ?? {};
    const isHere = LAYERABLE.includes(type ?? "") && path?.startsWith("/");
    return { ...disk, pool: { ...disk.pool, type }, source: isHere ? path : null };
  });
  return { ...definition, disks };
}

/** Asks the pools, of all definitions at once; none is asked where no disk is named so. */
export async function resolvePools(
  virsh: Virsh,
  definitions: readonly (DomainDefinition | null)[],
): Promise<(DomainDefinition | null)[]> {
  const named = definitions.flatMap((one) => one?.disks.flatMap(({ pool }) => pool ?? []) ?? []);
  if (named.length === 0) return [...definitions];
  const answers = await virsh.batch(
    named.flatMap(({ name, volume }) => [
      ["pool-dumpxml", "--pool", name],
      ["vol-path", "--pool", name, "--vol", volume],
    ]),
  );
  const facts = new Map<string, PoolFacts>();
  for (const [index, one] of named.entries()) {
    const [pool, path] = [answers[2 * index], answers[2 * index + 1]];
    facts.set(keyOf(one), {
      type: pool?.error === null ? attribute(readXml(pool.text, "pool"), "type") : null,
      path: path?.error === null ? path.text.replace(/\n+$/, "") || null : null,
    });
  }
  return definitions.map((one) => one && withPoolPaths(one, (pool) => facts.get(keyOf(pool))));
}

function keyOf({ name, volume }: PoolVolume): string {
  return JSON.stringify([name, volume]);
}
