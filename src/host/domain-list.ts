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
  const blocks = statsByName(stats);
  return parseNames(list).flatMap(([uuid, name]) => {
    const state = /^\s*state\.state=(\d+)$/m.exec(blocks.get(name) ?? "")?.[1];
    return state === undefined ? [] : [{ uuid, name, state: STATES[Number(state)] ?? "running" }];
  });
}

/** Reads `list --uuid --name`. libvirt takes names that begin or end with blanks, and virsh adds none (measured). */
export function parseNames(list: string): (readonly [uuid: string, name: string])[] {
  return list.split("\n").flatMap((line) => {
    const [, uuid, name] = /^([0-9a-f-]{36}) (.+)$/s.exec(line) ?? [];
    return uuid === undefined || name === undefined ? [] : [[uuid, name] as const];
  });
}

/** What `domstats` says of each domain, by its name, which is unique on a host and holds no line break. */
export function statsByName(stats: string): Map<string, string> {
  const blocks = new Map<string, string>();
  for (const block of stats.split(/(?<![^\n])(?=Domain: ')/)) {
    const name = /^Domain: '([^\n]*)'(?![^\n])/.exec(block)?.[1];
    if (name !== undefined) blocks.set(name, block);
  }
  return blocks;
}
