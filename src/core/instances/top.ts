/** `instance top`: what the running instances use, between two looks. */
import { EstratoError } from "../../errors.ts";
import { compareNames } from "../../order.ts";
import type { DomainLoad } from "../model/host.ts";
import { notFound } from "../names.ts";
import type { World } from "../ports.ts";

/** The rates of one instance. */
export interface Load {
  readonly id: string;
  readonly name: string;
  readonly vcpus: number;
  readonly cpu_percent: number; // of one processor: two that are busy are 200
  readonly memory_bytes: number;
  /** balloon: what the guest uses, as its driver says; allocation: it says nothing, and this is what it was given. */
  readonly memory_source: "balloon" | "allocation";
  readonly ram_bytes: number;
  readonly disk_read_bytes_per_second: number;
  readonly disk_write_bytes_per_second: number;
  readonly net_receive_bytes_per_second: number;
  readonly net_send_bytes_per_second: number;
}

/** Looks once, for whoever measures from there. */
export interface Look {
  readonly atMs: number;
  readonly loads: readonly DomainLoad[];
}

export async function look(world: World): Promise<Look> {
  return { atMs: world.clock.now().getTime(), loads: await world.host.domainLoads() };
}

/**
 * What was used between two looks, the busiest first; of those that are `wanted` (ids or names; none: all). One that
 * was not there before, or was started anew, counts from its start.
 */
export function between(before: Look, after: Look, wanted: readonly string[]): Load[] {
  const seconds = Math.max(0.001, (after.atMs - before.atMs) / 1000);
  const known = new Map(before.loads.map((one) => [one.uuid, one]));
  return after.loads
    .filter(({ uuid, name }) => wanted.length === 0 || wanted.includes(uuid) || wanted.includes(name))
    .map((now): Load => {
      const then = known.get(now.uuid);
      const rate = (of: (load: DomainLoad) => number): number => {
        const since = then === undefined || of(then) > of(now) ? 0 : of(then);
        return Math.round((of(now) - since) / seconds);
      };
      return {
        id: now.uuid,
        name: now.name,
        vcpus: now.vcpus,
        cpu_percent: Math.round(rate(({ cpuNs }) => cpuNs) / 1e6) / 10,
        memory_bytes: now.usedBytes ?? now.ramBytes,
        memory_source: now.usedBytes === null ? "allocation" : "balloon",
        ram_bytes: now.ramBytes,
        disk_read_bytes_per_second: rate(({ readBytes }) => readBytes),
        disk_write_bytes_per_second: rate(({ writtenBytes }) => writtenBytes),
        net_receive_bytes_per_second: rate(({ receivedBytes }) => receivedBytes),
        net_send_bytes_per_second: rate(({ sentBytes }) => sentBytes),
      };
    })
    .sort((a, b) => b.cpu_percent - a.cpu_percent || compareNames(a.name, b.name));
}

/** Throws "not_found" for a name that no domain has, "conflict" for one that is off. */
export async function requireRunning(world: World, wanted: readonly string[]): Promise<void> {
  const domains = wanted.length === 0 ? [] : await world.host.listDomains();
  for (const target of wanted) {
    const found = domains.find(({ uuid, name }) => uuid === target || name === target);
    if (found === undefined) throw notFound("instance", target);
    if (found.state === "shutoff" || found.state === "crashed")
      throw new EstratoError("conflict", `instance ${found.name}: it is off`, {
        hint: `Start it: estrato instance start ${found.name}.`,
      });
  }
}
