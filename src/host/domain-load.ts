/** What running domains use: `virsh domstats` (libvirt.org/manpages/virsh.html#domstats). */
import type { DomainLoad } from "../core/model/host.ts";
import { parseNames, statsByName } from "./domain-list.ts";
import { textOf, type Virsh } from "./virsh.ts";

const GROUPS = ["--state", "--cpu-total", "--vcpu", "--balloon", "--interface", "--block"];

/** Of all domains that run, in one process. One that came or went in between is left out. */
export async function domainLoads(virsh: Virsh): Promise<DomainLoad[]> {
  const [list, stats] = await virsh.batch([
    ["list", "--uuid", "--name"],
    ["domstats", ...GROUPS, "--list-active", "--nowait", "--raw"],
  ]);
  return parseLoads(textOf(list), textOf(stats));
}

/** Joins the two answers by name. What a busy QEMU did not answer counts as 0. */
export function parseLoads(list: string, stats: string): DomainLoad[] {
  const blocks = statsByName(stats);
  return parseNames(list).flatMap(([uuid, name]) => {
    const block = blocks.get(name);
    return block === undefined ? [] : [{ uuid, name, ...loadOf(block) }];
  });
}

const KIB = 1024;

function loadOf(block: string): Omit<DomainLoad, "uuid" | "name"> {
  const values = new Map([...block.matchAll(/^\s*([\w.]+)=(\d+)$/gm)].map(([, key, value]) => [key, Number(value)]));
  const value = (key: string): number => values.get(key) ?? 0;
  const sum = (group: string, key: string): number =>
    [...values].reduce((all, [at = "", one]) => (at.startsWith(`${group}.`) && at.endsWith(key) ? all + one : all), 0);
  // The guest's own word comes with the balloon's driver alone, and where somebody asked it to report.
  const available = values.get("balloon.available");
  const free = values.get("balloon.usable") ?? values.get("balloon.unused");
  return {
    vcpus: value("vcpu.current"),
    cpuNs: value("cpu.time"),
    ramBytes: value("balloon.current") * KIB,
    usedBytes: available === undefined || free === undefined ? null : Math.max(0, available - free) * KIB,
    readBytes: sum("block", ".rd.bytes"),
    writtenBytes: sum("block", ".wr.bytes"),
    receivedBytes: sum("net", ".rx.bytes"),
    sentBytes: sum("net", ".tx.bytes"),
  };
}
