/** Simulated domains: libvirt's two definitions, and what QEMU really has open. */
import { randomUUID } from "node:crypto";
import { clash } from "../../src/core/forwards/forward.ts";
import type { Action } from "../../src/core/model/action.ts";
import type { DomainDefinition, DomainMark, DomainStatus, Forward, QemuDisk } from "../../src/core/model/host.ts";
import { EstratoError } from "../../src/errors.ts";
import { editDefinition } from "../../src/host/domain-edit.ts";
import { markWords } from "../../src/host/domain-marks.ts";
import { parseDefinition as parseAnew } from "../../src/host/domain-xml.ts";
import { withPoolPaths } from "../../src/host/pools.ts";
import { childNamed, childrenNamed, parseXml, serializeXml } from "../../src/host/xml.ts";
import { chainAt, fileAt, holders, newFile } from "./host-images.ts";
import type { FakeDomain, FakeMachine } from "./host-machine.ts";
import { filesOf } from "./host-secrets.ts";

const parsed = new Map<string, DomainDefinition>();

/** Tests ask for the same few documents many thousand times. */
function parseDefinition(xml: string): DomainDefinition {
  const known = parsed.get(xml);
  if (known !== undefined) return known;
  if (parsed.size > 500) parsed.clear();
  const definition = parseAnew(xml);
  parsed.set(xml, definition);
  return definition;
}

/** A domain by UUID or name. */
export function findDomain(machine: FakeMachine, domain: string): FakeDomain | null {
  const byId = machine.domains.get(domain);
  if (byId) return byId;
  return [...machine.domains.values()].find((each) => parseDefinition(each.inactive).name === domain) ?? null;
}

export function domainAt(machine: FakeMachine, domain: string): FakeDomain {
  const found = findDomain(machine, domain);
  if (!found) throw new EstratoError("failed", `virsh: failed to get domain '${domain}'`);
  return found;
}

export function requireRunning(machine: FakeMachine, domain: string): FakeDomain {
  const found = domainAt(machine, domain);
  if (found.live === null) throw new EstratoError("conflict", `${domain}: the domain is not running`);
  return found;
}

export function define(machine: FakeMachine, xml: string): void {
  const definition = parseDefinition(xml);
  const taken = [...machine.domains].find(
    ([uuid, each]) => uuid !== definition.uuid && parseDefinition(each.inactive).name === definition.name,
  );
  if (taken) {
    throw new EstratoError("failed", `virsh define: domain '${definition.name}' already exists with uuid ${taken[0]}`);
  }
  const there = machine.domains.get(definition.uuid);
  if (there) {
    const { name } = parseDefinition(there.inactive);
    if (name !== definition.name)
      throw new EstratoError(
        "failed",
        `virsh define: domain '${name}' is already defined with uuid ${definition.uuid}`,
      );
    there.inactive = xml;
    there.persistent = true;
  } else {
    machine.domains.set(definition.uuid, newDomain(xml));
  }
}

function newDomain(xml: string): FakeDomain {
  return {
    inactive: xml,
    live: null,
    state: "shutoff",
    reason: "unknown",
    persistent: true,
    autostart: false,
    managedSave: false,
    agent: true,
    frozen: false,
    obedient: true,
    ram: "",
    open: [],
    unused: [],
    stray: null,
    jobs: [],
    snapshots: [],
    checkpoints: [],
    addresses: [],
  };
}

/** Beside the marks of other stores, as libvirt keeps an element of each namespace. */
export function withMark(xml: string, domain: string, mark: DomainMark, on: boolean): string {
  const begin = `<estrato:guest xmlns:estrato="urn:estrato:store:${mark.store}" `;
  const without = xml.replace(new RegExp(`${begin}[^>]*/>`), "").replace("<metadata></metadata>", "");
  if (!on) return without;
  const element = markWords(domain, mark, true).at(-1)?.replace("<guest ", begin) ?? "";
  return without.includes("<metadata>")
    ? without.replace("<metadata>", `<metadata>${element}`)
    : without.replace("<devices>", `<metadata>${element}</metadata><devices>`);
}

export function undefine(machine: FakeMachine, domain: string, saved: boolean): void {
  const found = findDomain(machine, domain);
  if (!found) return;
  if (found.managedSave && !saved) {
    throw new EstratoError("failed", "virsh undefine: Refusing to undefine while domain managed save image exists");
  }
  if (found.snapshots.length > 0) {
    throw new EstratoError("failed", "virsh undefine: cannot delete inactive domain with snapshots");
  }
  if (found.live === null) machine.domains.delete(parseDefinition(found.inactive).uuid);
  else found.persistent = false;
}

/** QEMU opens every chain, and locks it: the head to write, the rest to read. */
export function start(machine: FakeMachine, domain: string, paused: boolean): void {
  const found = domainAt(machine, domain);
  if (found.live !== null) return;
  const definition = definitionOf(machine, found.inactive);
  const disks = definition.disks.filter((disk) => disk.source !== null);
  const opened = disks.map((disk) => {
    const path = disk.source ?? "";
    requireBelievedChain(machine, found.inactive, disk.device);
    const chain = filesOf(machine, disk);
    const head = fileAt(machine, path);
    if (!disk.readonly && (head.mode & 0o200) === 0) {
      throw new EstratoError("failed", `virsh start: Could not open '${path}': Permission denied`);
    }
    const clash = chain.some((each, place) => {
      const { writers, readers } = holders(machine, each);
      return writers > 0 || (place === 0 && !disk.readonly && readers > 0);
    });
    if (clash) throw new EstratoError("conflict", `virsh start: Failed to get "write" lock: ${path}`);
    return { device: disk.device, chain, readonly: disk.readonly };
  });
  // libvirt makes a TPM where there is none yet.
  const { tpm } = definition;
  if (tpm !== null && !machine.files.has(tpm)) machine.files.set(tpm, newFile({ format: "raw", text: "a new TPM" }));
  // passt listens before QEMU runs.
  const passt = definition.interfaces.flatMap(({ user }) => (user?.backend === "passt" ? user.forwards : []));
  for (const forward of passt) requireUnlistened(machine, forward);
  found.forwards = [];
  found.open = opened;
  for (const { chain } of opened) giveToQemu(machine, chain);
  found.live = found.inactive;
  found.ram = "booted";
  found.state = paused ? "paused" : "running";
  found.reason = paused ? "starting up" : "booted";
  found.managedSave = false;
  found.frozen = false;
}

/** The ports that lead to a guest which runs, whatever serves its network. */
export function listenedBy({ live, forwards = [] }: FakeDomain): readonly Forward[] {
  if (live === null) return [];
  return [...forwards, ...parseDefinition(live).interfaces.flatMap(({ user }) => user?.forwards ?? [])];
}

export function isListened(machine: FakeMachine, forward: Forward, but?: FakeDomain): boolean {
  const others = [...machine.domains.values()].filter((each) => each !== but).flatMap(listenedBy);
  return [...machine.listening, ...others].some((one) => clash(one, forward));
}

function requireUnlistened(machine: FakeMachine, forward: Forward): void {
  if (isListened(machine, forward)) throw new EstratoError("failed", "virsh start: passt: Failed to bind port");
}

/** As QEMU's monitor does it, one by one. */
export function setForwards(machine: FakeMachine, { domain, forwards }: Extract<Action, { do: "set-forwards" }>): void {
  const found = domainAt(machine, domain);
  const hasOwn =
    found.live !== null && parseDefinition(found.live).interfaces.some(({ user }) => user?.backend === "qemu");
  if (!hasOwn) return;
  const isWanted = (one: Forward) => forwards.some((each) => clash(each, one) && each.guest === one.guest);
  const has = (found.forwards ?? []).filter(isWanted);
  found.forwards = has;
  for (const one of forwards) {
    if (has.some((each) => clash(each, one))) continue;
    if (isListened(machine, one))
      throw new EstratoError("conflict", `port ${one.address}:${one.host}: somebody else has it`);
    has.push(one);
  }
}

/** libvirt gives the files of a guest to QEMU's user, foreign ones too. */
export function giveToQemu(machine: FakeMachine, chain: readonly string[]): void {
  const user = machine.capabilities.qemuUser;
  if (user) for (const path of chain) Object.assign(fileAt(machine, path), user);
}

/**
 * libvirt believes a <backingStore> that a definition holds; where the file says otherwise, the guest fails to start
 * (LIBVIRT.md, trap 14).
 */
function requireBelievedChain(machine: FakeMachine, xml: string, device: string): void {
  const believed = new RegExp(`<!--chain ${device} (.*?)-->`).exec(xml)?.[1];
  const source = parseDefinition(xml).disks.find((disk) => disk.device === device)?.source ?? "";
  if (believed !== undefined && believed !== JSON.stringify(chainAt(machine, source))) {
    throw new EstratoError("conflict", `virsh start: Failed to get "write" lock: ${source} (a stale <backingStore>)`);
  }
}

export function destroy(machine: FakeMachine, domain: string, reason: string): void {
  const found = findDomain(machine, domain);
  if (!found || found.live === null) return;
  found.live = null;
  found.open = [];
  found.unused = [];
  found.jobs = [];
  found.frozen = false;
  found.asleep = false;
  found.state = "shutoff";
  found.reason = reason;
  if (!found.persistent) machine.domains.delete(parseDefinition(found.inactive).uuid);
}

/**
 * What libvirt notes after a switch, a pull, a commit or a pivot: the head in both definitions, and the chain in the
 * persistent one.
 */
export function noteHead(found: FakeDomain, device: string, chain: readonly string[], format: string): void {
  const path = chain[0] ?? "";
  const secret =
    parseDefinition(found.live ?? found.inactive).disks.find((disk) => disk.device === device)?.secret ?? null;
  const backing = chain.slice(1).map((each) => ({ path: each, format: "qcow2" }));
  const file = { path, format, ...(secret === null ? {} : { encryption: { secret, backing } }) };
  const edit = { disks: { [device]: file } };
  if (found.live !== null) found.live = editDefinition(found.live, edit);
  const noted = editDefinition(found.inactive, edit);
  found.inactive = secret === null ? rememberChain(noted, device, chain) : noted;
}

function rememberChain(xml: string, device: string, chain: readonly string[]): string {
  const document = parseXml(xml, "domain");
  const devices = document.documentElement ? childNamed(document.documentElement, "devices") : null;
  for (const disk of devices ? childrenNamed(devices, "disk") : []) {
    if (childNamed(disk, "target")?.getAttribute("dev") !== device) continue;
    const store = document.createElement("backingStore");
    store.appendChild(document.createComment(`chain ${device} ${JSON.stringify(chain)}`));
    disk.insertBefore(store, childNamed(disk, "target"));
  }
  return serializeXml(document);
}

/** With the paths of the volumes that pools name. */
function definitionOf({ pools }: FakeMachine, xml: string): DomainDefinition {
  return withPoolPaths(parseDefinition(xml), ({ name, volume }) => {
    const pool = pools?.get(name);
    return pool && { type: pool.type, path: pool.volumes[volume] ?? null };
  });
}

export function statusOf(machine: FakeMachine, found: FakeDomain): DomainStatus {
  const inactive = definitionOf(machine, found.inactive);
  return {
    uuid: inactive.uuid,
    name: inactive.name,
    state: found.state,
    reason: found.managedSave && found.live === null ? "saved" : found.reason,
    persistent: found.persistent,
    autostart: found.autostart,
    managedSave: found.managedSave,
    live: found.live === null ? null : definitionOf(machine, found.live),
    inactive,
    snapshots: [...found.snapshots],
    checkpoints: [...found.checkpoints],
    jobs: found.jobs.map(({ device, type, ended }) => ({ device, type, ...(ended ? { ended } : {}) })),
  };
}

export function qemuDisksOf(machine: FakeMachine, found: FakeDomain): QemuDisk[] {
  return found.open.map(({ device, chain }) => ({
    device,
    chain: [...chain],
    sizeBytes: fileAt(machine, chain[0] ?? "").sizeBytes,
  }));
}

/** A document like libvirt's own, for a domain that estrato did not make. */
export function foreignXml(spec: {
  readonly name: string;
  readonly uuid?: string;
  readonly disks: readonly { readonly device: string; readonly path: string; readonly format: string }[];
}): string {
  const disks = spec.disks.map(
    ({ device, path, format }) => `    <disk type='file' device='disk'>
      <driver name='qemu' type='${format}'/>
      <source file='${path}'/>
      <target dev='${device}' bus='virtio'/>
    </disk>`,
  );
  return `<domain type='qemu'>
  <name>${spec.name}</name>
  <uuid>${spec.uuid ?? randomUUID()}</uuid>
  <memory unit='KiB'>262144</memory>
  <currentMemory unit='KiB'>262144</currentMemory>
  <vcpu placement='static'>1</vcpu>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
  <devices>
${disks.join("\n")}
    <interface type='network'>
      <mac address='52:54:00:aa:bb:cc'/>
      <source network='default'/>
      <model type='virtio'/>
    </interface>
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
  </devices>
</domain>
`;
}
