/** The domains of this host: a cheap list, and all that a verb must know of one before it touches it. */
import { EstratoError } from "../errors.ts";
import type { DomainState, DomainStatus, DomainSummary } from "./types.ts";
import { isNoSuchDomain, type Virsh, type VirshAnswer } from "./virsh.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

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

/** One domain by UUID or name; null where there is none. One process, or two where libvirt would take the name for a number or a UUID. */
export async function domainStatus(virsh: Virsh, domain: string): Promise<DomainStatus | null> {
  const uuid = await certainTarget(virsh, domain);
  if (uuid === null) return null;
  const [status] = await readStatuses(virsh, [uuid]);
  return status ?? null;
}

/** Many domains (without `domains`: all), keyed by UUID. Those that are not there are left out. */
export async function domainStatuses(virsh: Virsh, domains?: readonly string[]): Promise<Map<string, DomainStatus>> {
  const targets = domains ?? (await listDomains(virsh)).map(({ uuid }) => uuid);
  const found = new Map<string, DomainStatus>();
  for (const status of await readStatuses(virsh, targets)) if (status) found.set(status.uuid, status);
  return found;
}

/** virsh looks a name up as a number and as a UUID first: a domain called "5" would be another domain's running number. */
async function certainTarget(virsh: Virsh, domain: string): Promise<string | null> {
  if (UUID.test(domain) || !/^[0-9a-f-]+$/i.test(domain)) return domain;
  return (await listDomains(virsh)).find(({ name }) => name === domain)?.uuid ?? null;
}

const QUESTIONS = 6;

async function readStatuses(virsh: Virsh, targets: readonly string[]): Promise<(DomainStatus | null)[]> {
  const answers = await virsh.batch(
    targets.flatMap((target) => [
      ["dominfo", "--domain", target],
      ["domstate", "--domain", target, "--reason"],
      ["dumpxml", "--domain", target, "--security-info"],
      ["dumpxml", "--domain", target, "--security-info", "--inactive"],
      ["snapshot-list", "--domain", target, "--name"],
      ["checkpoint-list", "--domain", target, "--name"],
    ]),
  );
  if (targets.length === 0) return [];
  const { diskMirrors, parseDefinition } = await import("./domain-xml.ts");
  return targets.map((_, index) => {
    const own = answers.slice(index * QUESTIONS, (index + 1) * QUESTIONS);
    if (own.some((answer) => answer.error !== null && isNoSuchDomain(answer.error))) return null;
    const [info, stateAndReason, live, inactive, snapshots, checkpoints] = own.map(textOf) as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    const facts = parseDominfo(info);
    const { state, reason } = parseState(stateAndReason);
    const isLive = state !== "shutoff" && state !== "crashed";
    const definition = parseDefinition(inactive);
    return {
      ...facts,
      uuid: definition.uuid,
      name: definition.name,
      state,
      reason,
      live: isLive ? parseDefinition(live) : null,
      inactive: definition,
      snapshots: linesOf(snapshots),
      checkpoints: linesOf(checkpoints),
      jobs: isLive ? diskMirrors(live).map(({ device, type }) => ({ device, type })) : [],
    };
  });
}

function textOf(answer: VirshAnswer | undefined): string {
  if (answer === undefined) throw new EstratoError("failed", "virsh: an answer is missing");
  if (answer.error !== null) throw new EstratoError("failed", `virsh: ${answer.error}`);
  return answer.text;
}

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

/** Reads `dominfo`. */
export function parseDominfo(text: string): Pick<DomainStatus, "persistent" | "autostart" | "managedSave"> {
  const value = (key: string) => new RegExp(`^${key}:\\s+(.*)$`, "m").exec(text)?.[1];
  return {
    persistent: value("Persistent") === "yes",
    autostart: value("Autostart") === "enable",
    managedSave: value("Managed save") === "yes",
  };
}

const STATE_WORDS: Readonly<Record<string, DomainState>> = {
  running: "running",
  idle: "blocked",
  paused: "paused",
  "in shutdown": "shutdown",
  "shut off": "shutoff",
  crashed: "crashed",
  pmsuspended: "pmsuspended",
  dying: "dying",
};

/** Reads `domstate --reason`: `shut off (saved)`. "failed" for a word that libvirt does not have. */
export function parseState(text: string): { state: DomainState; reason: string } {
  const [, word, reason] = /^\s*([a-z ]+?)\s*(?:\(([^)]*)\))?\s*$/.exec(text) ?? [];
  const state = word === undefined ? undefined : STATE_WORDS[word];
  if (state === undefined) throw new EstratoError("failed", `virsh domstate: ${text.trim()}: not a state`);
  return { state, reason: reason ?? "" };
}
