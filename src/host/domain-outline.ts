/**
 * The domains of this host as a list shows them, without reading their XML: parsing a hundred documents takes half a
 * second.
 */
import type { DomainOutline, DomainSummary } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { parseNames, STATES, statsByName } from "./domain-list.ts";
import type { Virsh } from "./virsh.ts";

type Interface = DomainOutline["interfaces"][number];

/**
 * All domains, in one process: what `list` and `domstats` say. A second one asks for the interfaces of those that are
 * `wanted`. A domain that went in between is left out.
 */
export async function domainOutlines(
  virsh: Virsh,
  wanted: (domain: DomainSummary) => boolean,
): Promise<DomainOutline[]> {
  const [list, stats, saved] = await virsh.batch([
    ["list", "--all", "--uuid", "--name"],
    ["domstats", "--state", "--vcpu", "--balloon", "--nowait", "--raw"],
    ["list", "--all", "--with-managed-save", "--uuid"],
  ]);
  for (const answer of [list, stats, saved]) {
    if (answer?.error != null) throw new EstratoError("failed", `virsh: ${answer.error}`);
  }
  const domains = parseOutlines(list?.text ?? "", stats?.text ?? "", saved?.text ?? "");
  const wantedDomains = domains.filter(wanted);
  const answers =
    wantedDomains.length === 0
      ? []
      : await virsh.batch(wantedDomains.map(({ uuid }) => ["domiflist", "--domain", uuid]));
  const interfaces = new Map(
    wantedDomains.map(({ uuid }, index) => [
      uuid,
      answers[index]?.error === null ? parseInterfaces(answers[index].text) : null,
    ]),
  );
  return domains.flatMap((domain) => {
    const own = interfaces.get(domain.uuid);
    return own === null ? [] : [{ ...domain, interfaces: own ?? [] }];
  });
}

/** Joins the answers: two by name; `saved` holds UUIDs. */
export function parseOutlines(list: string, stats: string, saved: string): Omit<DomainOutline, "interfaces">[] {
  const blocks = statsByName(stats);
  return parseNames(list).flatMap(([uuid, name]) => {
    const block = blocks.get(name);
    if (block === undefined) return [];
    const value = (key: string) => Number(new RegExp(`^\\s*${key}=(\\d+)$`, "m").exec(block)?.[1] ?? 0);
    const state = STATES[value("state\\.state")] ?? "running";
    const ramBytes = (value("balloon\\.maximum") || value("balloon\\.current")) * 1024;
    return [{ uuid, name, state, vcpus: value("vcpu\\.current"), ramBytes, managedSave: saved.includes(uuid) }];
  });
}

/**
 * Reads `domiflist`: a table whose second, third and last columns are type, source and MAC; a source may hold spaces.
 */
export function parseInterfaces(text: string): Interface[] {
  return text.split("\n").flatMap((line) => {
    const [, type, source, mac] =
      /^\s*\S+\s+(\S+)\s+(.*\S)\s+\S+\s+((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\s*$/i.exec(line) ?? [];
    return mac === undefined ? [] : [{ mac: mac.toLowerCase(), network: type === "network" ? (source ?? null) : null }];
  });
}
