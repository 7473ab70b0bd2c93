/** All that a verb must know of a domain before it touches it. */
import type { DomainDefinition, DomainJob, DomainState, DomainStatus } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { blockJobWords, parseBlockJob } from "./block-job.ts";
import { listDomains, parseNames } from "./domain-list.ts";
import { type LibvirtFolders, nvramPlace } from "./libvirt-folders.ts";
import { isNoSuchDomain, queryBlock, textOf, type Virsh, type VirshAnswer } from "./virsh.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * One domain by UUID or name; null where there is none. One process, or two where libvirt would take the name for a
 * number or a UUID. `also`: what QEMU has open, by the same process.
 */
export async function domainStatus(virsh: Virsh, domain: string, also?: "qemu"): Promise<DomainStatus | null> {
  const uuid = await certainTarget(virsh, domain);
  return uuid === null ? null : readOne(virsh, uuid, also);
}

/** So many are asked for one by one, with no census of all before. */
const FEW = 2;

/**
 * Many domains (without `domains`: all), in two processes for a hundred of them, keyed by UUID. Those that are not
 * there are left out.
 */
export async function domainStatuses(virsh: Virsh, domains?: readonly string[]): Promise<Map<string, DomainStatus>> {
  const found = new Map<string, DomainStatus>();
  if (domains?.length === 0) return found;
  if (domains !== undefined && domains.length <= FEW && domains.every((one) => UUID.test(one))) {
    for (const one of domains) {
      const status = await readOne(virsh, one);
      if (status !== null) found.set(status.uuid, status);
    }
    return found;
  }
  const census = await takeCensus(virsh);
  const wanted = domains && new Set(domains);
  const targets = [...census.all].filter(([uuid, name]) => !wanted || wanted.has(uuid) || wanted.has(name));
  const answers = await readMany(
    virsh,
    targets.map(([uuid]) => uuid),
    census,
  );
  for (const status of answers) if (status) found.set(status.uuid, status);
  return found;
}

/**
 * virsh looks a name up as a number and as a UUID first: a domain called "5" would be another domain's running number.
 * Null where none can be called so: libvirt lets no name have a line break.
 */
async function certainTarget(virsh: Virsh, domain: string): Promise<string | null> {
  if (domain.includes("\n")) return null;
  if (UUID.test(domain) || !/^[0-9a-f-]+$/i.test(domain)) return domain;
  return (await listDomains(virsh)).find(({ name }) => name === domain)?.uuid ?? null;
}

/** Who is what, by UUID: asked once for all, which spares several questions for each. */
interface Census {
  readonly all: ReadonlyMap<string, string>; // UUID → name
  readonly off: ReadonlySet<string>;
  readonly persistent: ReadonlySet<string>;
  readonly autostart: ReadonlySet<string>;
  readonly saved: ReadonlySet<string>;
  readonly snapshots: ReadonlySet<string>;
  readonly checkpoints: ReadonlySet<string>;
}

const thoseWith = (flag: string) => ["list", "--all", `--${flag}`, "--uuid"];
const ARE_OFF = thoseWith("state-shutoff");

const setOf = (answer: VirshAnswer | undefined) => new Set(linesOf(textOf(answer)).map((line) => line.trim()));

async function takeCensus(virsh: Virsh): Promise<Census> {
  const having = ["persistent", "autostart", "with-managed-save", "with-snapshot", "with-checkpoint"];
  const [all, ...sets] = await virsh.batch([["list", "--all", "--uuid", "--name"], ARE_OFF, ...having.map(thoseWith)]);
  const [off, persistent, autostart, saved, snapshots, checkpoints] = sets.map(setOf) as [
    Set<string>,
    Set<string>,
    Set<string>,
    Set<string>,
    Set<string>,
    Set<string>,
  ];
  return { all: new Map(parseNames(textOf(all))), off, persistent, autostart, saved, snapshots, checkpoints };
}

/** Of one that is off is asked once for all whether it has been so all the while, and no reason is known. */
async function readMany(virsh: Virsh, targets: readonly string[], census: Census): Promise<(DomainStatus | null)[]> {
  const questions = targets.map((target) => [
    ...(census.off.has(target) ? [] : [["domstate", "--domain", target, "--reason"]]),
    ["dumpxml", "--domain", target, "--security-info", "--inactive"],
    ...(census.off.has(target) ? [] : [["dumpxml", "--domain", target, "--security-info"]]),
    ...(census.snapshots.has(target) ? [["snapshot-list", "--domain", target, "--name"]] : []),
    ...(census.checkpoints.has(target) ? [["checkpoint-list", "--domain", target, "--name"]] : []),
  ]);
  const answers = await virsh.batch([...questions.flat(), ARE_OFF]);
  const stillOff = setOf(answers.pop());
  const statuses: (DomainStatus | null)[] = [];
  for (const [index, target] of targets.entries()) {
    const own = answers.splice(0, questions[index]?.length ?? 0);
    if (own.some(isGone)) {
      statuses.push(null);
      continue;
    }
    const isOff = census.off.has(target);
    const texts = own.map(textOf);
    const [stateText, inactive, ...rest] = isOff ? ["shut off", ...texts] : texts;
    const { state } = parseState(stateText ?? "");
    if (isOff ? !stillOff.has(target) : state === "shutoff") {
      statuses.push(await readOne(virsh, target)); // it was started or stopped while we asked
      continue;
    }
    const live = isOff ? "" : (rest.shift() ?? "");
    const snapshots = census.snapshots.has(target) ? (rest.shift() ?? "") : "";
    const checkpoints = census.checkpoints.has(target) ? (rest.shift() ?? "") : "";
    statuses.push(
      await assemble(virsh, target, {
        persistent: census.persistent.has(target),
        autostart: census.autostart.has(target),
        managedSave: census.saved.has(target),
        state: stateText ?? "",
        inactive: inactive ?? "",
        live,
        snapshots,
        checkpoints,
      }),
    );
  }
  return statuses;
}

/** All of one domain in one process; null where there is none. */
async function readOne(virsh: Virsh, target: string, also?: "qemu"): Promise<DomainStatus | null> {
  const answers = await virsh.batch([
    ["dominfo", "--domain", target],
    ["domstate", "--domain", target, "--reason"],
    ["dumpxml", "--domain", target, "--security-info", "--inactive"],
    ["dumpxml", "--domain", target, "--security-info"],
    ["snapshot-list", "--domain", target, "--name"],
    ["checkpoint-list", "--domain", target, "--name"],
    ...(also === "qemu" ? [queryBlock(target)] : []),
  ]);
  const blocks = also === "qemu" ? answers.pop() : undefined;
  if (answers.some(isGone)) return null;
  const [info = "", state = "", inactive = "", live = "", snapshots = "", checkpoints = ""] = answers.map(textOf);
  const outputs = { ...parseDominfo(info), state, inactive, live, snapshots, checkpoints };
  const status = await assemble(virsh, target, outputs);
  // One that is off has none, and whoever needs the disks of one that runs asks again, and is told why
  if (status.live === null || blocks === undefined || blocks.error !== null) return status;
  const [{ disksOf, parseQueryBlock }, { diskAliases }] = await Promise.all([
    import("./qemu-disks.ts"),
    import("./domain-xml.ts"),
  ]);
  return { ...status, qemu: disksOf(parseQueryBlock(blocks.text), diskAliases(status.live.xml)) };
}

interface Outputs extends Pick<DomainStatus, "persistent" | "autostart" | "managedSave"> {
  readonly state: string;
  readonly inactive: string;
  readonly live: string;
  readonly snapshots: string;
  readonly checkpoints: string;
}

async function assemble(virsh: Virsh, target: string, outputs: Outputs): Promise<DomainStatus> {
  const { parseDefinition } = await import("./domain-xml.ts");
  const read = (xml: string) => {
    try {
      return parseDefinition(xml, virsh.folders);
    } catch (cause) {
      throw cause instanceof EstratoError
        ? new EstratoError(cause.code, `domain ${target}: ${cause.message}`, {
            hint: `See: virsh dumpxml ${target}.`,
            cause,
          })
        : cause;
    }
  };
  const { state, reason } = parseState(outputs.state);
  const isLive = state !== "shutoff" && state !== "crashed";
  const parsed = [outputs.inactive, ...(isLive ? [outputs.live] : [])].map(read);
  const [defined, live = null] = parsed.some(({ disks }) => disks.some(({ pool }) => pool !== null))
    ? await (await import("./pools.ts")).resolvePools(virsh, parsed)
    : parsed;
  const inactive = await withNvram(defined as DomainDefinition, live, virsh.folders);
  return {
    uuid: inactive.uuid,
    name: inactive.name,
    state,
    reason,
    persistent: outputs.persistent,
    autostart: outputs.autostart,
    managedSave: outputs.managedSave,
    live,
    inactive,
    snapshots: linesOf(outputs.snapshots),
    checkpoints: linesOf(outputs.checkpoints),
    jobs: isLive ? await jobsOf(virsh, inactive.uuid, outputs.live) : [],
  };
}

/** The mirrors of a live definition; libvirt itself says which of them is one no longer. */
async function jobsOf(virsh: Virsh, uuid: string, live: string): Promise<DomainJob[]> {
  const { diskMirrors } = await import("./domain-xml.ts");
  const jobs: DomainJob[] = [];
  for (const { device, type } of diskMirrors(live)) {
    const { exit, stdout } = await virsh.run(blockJobWords(uuid, device));
    const ended = exit === 0 && parseBlockJob(stdout) === null;
    jobs.push({ device, type, ...(ended ? { ended } : {}) });
  }
  return jobs;
}

/**
 * Where libvirt chooses the firmware itself (`<os firmware='efi'>`), the persistent definition of 9.0 does not name the
 * NVRAM: the running guest does, and of one that is off it lies where libvirt always puts it (measured).
 */
async function withNvram(
  inactive: DomainDefinition,
  live: DomainDefinition | null,
  folders: LibvirtFolders,
): Promise<DomainDefinition> {
  if (inactive.nvram !== null || !inactive.firmware) return inactive;
  if (live !== null) return { ...inactive, nvram: live.nvram };
  const { existsSync } = await import("node:fs");
  const path = nvramPlace(folders, inactive.name);
  return existsSync(path) ? { ...inactive, nvram: path } : inactive;
}

function isGone(answer: VirshAnswer): boolean {
  return answer.error !== null && isNoSuchDomain(answer.error);
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
  // Several stars over blanks in one expression would go through a long answer for hours.
  const [, before = "", reason = ""] = /^([^(]*)(?:\(([^)]*)\))?$/.exec(text.trim()) ?? [];
  const word = before.trim();
  const state = Object.hasOwn(STATE_WORDS, word) ? STATE_WORDS[word] : undefined;
  if (state === undefined) throw new EstratoError("failed", `virsh domstate: ${text.trim()}: not a state`);
  return { state, reason };
}
