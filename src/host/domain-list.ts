/** The domains of this host by name, UUID and state: the cheapest question of all. */
import type { DomainState, DomainSummary } from "../core/model/host.ts";
import { textOf, type Virsh } from "./virsh.ts";

/** libvirt's virDomainState, by number (libvirt-domain.h). */
export const STATES: readonly DomainState[] = [
  "running", // 0: no state; QEMU never shows it
  "running",
  "blocked",
  "paused",
  "shutdown",
  "shutoff",
  "crashed",
  "pmsuspended",
];

/** All domains, in one process: names and UUIDs by `list`, states by `domstats`. */
export async function listDomains(virsh: Virsh): Promise<DomainSummary[]> {
  const [list, stats] = await virsh.batch([
    ["list", "--all", "--uuid", "--name"],
    ["domstats", "--state", "--nowait", "--raw"],
  ]);
  return parseList(textOf(list), textOf(stats));
}

/** Joins the two answers. A domain that came or went in between is left out. */
export function parseList(list: string, stats: string): DomainSummary[] {
  const states = new Map<string, DomainState>();
  for (const block of stats.split(/^(?=Domain: ')/m)) {
    const name = /^Domain: '(.*)'$/m.exec(block)?.[1];
    const state = /^\s*state\.state=(\d+)$/m.exec(block)?.[1];
    if (name !== undefined && state !== undefined) states.set(name, STATES[Number(state)] ?? "running");
  }
  return list.split("\n").flatMap((line) => {
    const [, uuid, name] = /^([0-9a-f-]{36})\s+(.*?)\s*$/.exec(line) ?? [];
    const state = name === undefined ? undefined : states.get(name);
    return uuid && name && state ? [{ uuid, name, state }] : [];
  });
}
