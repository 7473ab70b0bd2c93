/** What a domain's XML says. Source of the words: libvirt.org/formatdomain.html. */
import type {
  DefinedBacking,
  DomainDefinition,
  DomainDisk,
  DomainInterface,
  Forward,
  UserNetwork,
} from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { readMarks } from "./domain-marks.ts";
import { type LibvirtFolders, SYSTEM_FOLDERS, tpmFolder } from "./libvirt-folders.ts";
import { attribute, childAt, childNamed, childrenNamed, childText, type ReadElement, readXml } from "./xml.ts";

/**
 * What was read last: one command asks for the same document many times, and parsing costs more than asking. Nobody
 * changes these. No Map: each table that one outgrows points at the next, and a dead one in V8's old space keeps all
 * that came after it.
 */
const recent: { readonly xml: string; readonly root: ReadElement }[] = [];
const KEPT_DOCUMENTS = 8;
let oldest = 0;

/** The root of a definition. Throws as readXml. */
export function definitionRoot(xml: string): ReadElement {
  const known = recent.find((one) => one.xml === xml);
  if (known !== undefined) return known.root;
  const root = readXml(xml, "domain");
  recent[oldest] = { xml, root };
  oldest = (oldest + 1) % KEPT_DOCUMENTS;
  return root;
}

/**
 * Reads a definition; `folders`: of the libvirt that it is of. "host" where the text is no domain's XML or lacks a
 * name or UUID.
 */
export function parseDefinition(xml: string, folders = SYSTEM_FOLDERS): DomainDefinition {
  const root = definitionRoot(xml);
  const name = childNamed(root, "name")?.textContent; // with blanks at its ends, which libvirt takes for its own
  const uuid = childText(root, "uuid");
  const memory = childNamed(root, "memory");
  if (!name || !uuid || !memory) throw new EstratoError("host", "XML of a domain: no name, UUID or memory in it");
  const devices = childNamed(root, "devices");
  return {
    uuid,
    name,
    vcpus: Number(childText(root, "vcpu") ?? 1),
    ramBytes: bytesOf(memory),
    disks: devices ? childrenNamed(devices, "disk").map(readDisk) : [],
    interfaces: devices ? childrenNamed(devices, "interface").map(readInterface) : [],
    nvram: readNvram(root),
    machine: attribute(childAt(root, "os", "type"), "machine") ?? "",
    firmware: hasFirmware(root),
    tpm: devices && readTpm(devices, uuid, folders),
    generationId: childNamed(root, "genid") !== null,
    agentChannel: devices !== null && childrenNamed(devices, "channel").some(isAgentChannel),
    marks: readMarks(root, uuid),
    xml,
  };
}

const DISK_TYPES = ["file", "block", "network", "volume"] as const;
const DISK_ROLES = ["disk", "cdrom", "floppy", "lun"] as const;

function readDisk(disk: ReadElement): DomainDisk {
  const type = attribute(disk, "type");
  const role = attribute(disk, "device") ?? "disk";
  const source = childNamed(disk, "source");
  return {
    device: attribute(childNamed(disk, "target"), "dev") ?? "",
    type: DISK_TYPES.find((known) => known === type) ?? "other",
    role: DISK_ROLES.find((known) => known === role) ?? "disk",
    source: attribute(source, "file") ?? attribute(source, "dev"),
    pool: readPool(source),
    format: attribute(childNamed(disk, "driver"), "type") ?? "raw",
    bus: attribute(childNamed(disk, "target"), "bus") ?? "",
    readonly: childNamed(disk, "readonly") !== null || role === "cdrom",
    shareable: childNamed(disk, "shareable") !== null,
    serial: childText(disk, "serial"),
    secret: secretOf(source) ?? secretOf(disk),
    ...readBacking(disk),
    unlayerable: readUnlayerable(disk),
  };
}

function readPool(source: ReadElement | null): DomainDisk["pool"] {
  const [name, volume] = [attribute(source, "pool"), attribute(source, "volume")];
  return name === null || volume === null ? null : { name, volume, type: null };
}

/** `<encryption format='luks'><secret type='passphrase' uuid='…'/>`, in the source, or (older) in the disk itself. */
function secretOf(holder: ReadElement | null): string | null {
  const encryption = holder === null ? null : childNamed(holder, "encryption");
  if (encryption === null) return null;
  const secret = childNamed(encryption, "secret");
  return attribute(secret, "uuid") ?? attribute(secret, "usage") ?? "";
}

/** An empty `<backingStore/>` ends the chain. */
function readBacking(disk: ReadElement): Pick<DomainDisk, "backing" | "backingEnds"> {
  const first = childNamed(disk, "backingStore");
  if (first === null) return { backing: null, backingEnds: false };
  const backing: DefinedBacking[] = [];
  for (let at: ReadElement | null = first; at !== null; at = childNamed(at, "backingStore")) {
    const source = childNamed(at, "source");
    if (source === null) return { backing, backingEnds: true };
    const format = attribute(childNamed(at, "format"), "type");
    backing.push({ path: attribute(source, "file") ?? attribute(source, "dev"), format, secret: secretOf(source) });
  }
  return { backing, backingEnds: false };
}

/** A part of a file for a disk, and a disk whose writes libvirt throws away: another file would be neither. */
function readUnlayerable(disk: ReadElement): string | null {
  if (childNamed(disk, "transient") !== null) return "<transient/>";
  for (let at: ReadElement | null = disk; at !== null; at = childNamed(at, "backingStore")) {
    if (childAt(at, "source", "slices") !== null) return "<slices>";
  }
  return null;
}

function readInterface(nic: ReadElement): DomainInterface {
  const source = childNamed(nic, "source");
  const type = attribute(nic, "type") ?? "";
  const bridge = type === "bridge" ? attribute(source, "bridge") : null;
  return {
    mac: (attribute(childNamed(nic, "mac"), "address") ?? "").toLowerCase(),
    network: attribute(source, "network"),
    type,
    target: attribute(childNamed(nic, "target"), "dev"),
    ...(bridge === null ? {} : { bridge }),
    ...(type === "user" ? { user: readUserNetwork(nic) } : {}),
  };
}

/** libvirt calls the network of a card after the card's alias. */
function readUserNetwork(nic: ReadElement): UserNetwork {
  const alias = attribute(childNamed(nic, "alias"), "name");
  return {
    backend: attribute(childNamed(nic, "backend"), "type") === "passt" ? "passt" : "qemu",
    forwards: childrenNamed(nic, "portForward").flatMap(readForwards),
    netdev: alias === null ? null : `host${alias}`,
  };
}

/** Of a range of ports each is one. */
function readForwards(element: ReadElement): Forward[] {
  const protocol = attribute(element, "proto") === "udp" ? "udp" : "tcp";
  const address = attribute(element, "address") ?? "0.0.0.0";
  return childrenNamed(element, "range").flatMap((range) => {
    const start = Number(attribute(range, "start"));
    const end = Number(attribute(range, "end") ?? start);
    const to = Number(attribute(range, "to") ?? start);
    if (attribute(range, "exclude") === "yes" || !(end - start >= 0 && end - start < 65_536)) return [];
    return Array.from({ length: end - start + 1 }, (_, at) => ({
      protocol,
      address,
      host: start + at,
      guest: to + at,
    }));
  });
}

/** `<os firmware='efi'>`, or a loader that is named. */
function hasFirmware(root: ReadElement): boolean {
  const os = childNamed(root, "os");
  return os !== null && (attribute(os, "firmware") === "efi" || childNamed(os, "loader") !== null);
}

/** `<nvram>PATH</nvram>`, or since 8.5 `<nvram type='file'><source file='PATH'/></nvram>`. */
function readNvram(root: ReadElement): string | null {
  const nvram = childAt(root, "os", "nvram");
  if (nvram === null) return null;
  return attribute(childNamed(nvram, "source"), "file") ?? (nvram.textContent?.trim() || null);
}

/**
 * swtpm's file, where libvirt puts it by the UUID or, since 10.10, where `<source type='dir' path='…'/>` (or 'file')
 * says.
 */
function readTpm(devices: ReadElement, uuid: string, folders: LibvirtFolders): string | null {
  const backends = childrenNamed(devices, "tpm").map((tpm) => childNamed(tpm, "backend"));
  const backend = backends.find((one) => attribute(one, "type") === "emulator");
  if (backend === undefined) return null;
  const source = childNamed(backend as ReadElement, "source");
  const path = attribute(source, "path");
  if (path !== null && attribute(source, "type") === "file") return path;
  const old = attribute(backend, "version") === "1.2";
  return `${path ?? `${tpmFolder(folders, uuid)}/${old ? "tpm1.2" : "tpm2"}`}/${old ? "tpm-00" : "tpm2-00"}.permall`;
}

function isAgentChannel(channel: ReadElement): boolean {
  return attribute(childNamed(channel, "target"), "name") === "org.qemu.guest_agent.0";
}

const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  bytes: 1,
  KB: 1e3,
  k: 2 ** 10,
  KiB: 2 ** 10,
  MB: 1e6,
  M: 2 ** 20,
  MiB: 2 ** 20,
  GB: 1e9,
  G: 2 ** 30,
  GiB: 2 ** 30,
  TB: 1e12,
  T: 2 ** 40,
  TiB: 2 ** 40,
};

function bytesOf(element: ReadElement): number {
  const unit = UNITS[attribute(element, "unit") ?? "KiB"];
  const bytes = Number(element.textContent) * (unit ?? Number.NaN);
  if (!Number.isSafeInteger(bytes)) {
    throw new EstratoError("host", `XML of a domain: <${element.tagName}> is no size`);
  }
  return bytes;
}

/** Target device → alias, of a live definition: how QEMU names the disk. */
export function diskAliases(xml: string): Map<string, string> {
  const root = definitionRoot(xml);
  const devices = childNamed(root, "devices");
  const pairs = (devices ? childrenNamed(devices, "disk") : []).flatMap((disk): [string, string][] => {
    const device = attribute(childNamed(disk, "target"), "dev");
    const alias = attribute(childNamed(disk, "alias"), "name");
    return device && alias ? [[device, alias]] : [];
  });
  return new Map(pairs);
}

/** The mirror of a copy or an active commit that runs on a disk. */
export interface DiskMirror {
  readonly device: string;
  readonly type: string; // copy, active-commit
  readonly ready: boolean; // it may be pivoted; "100 %" of the job's progress does not say so
}

/** The mirrors of a live definition. */
export function diskMirrors(xml: string): DiskMirror[] {
  const root = definitionRoot(xml);
  const devices = childNamed(root, "devices");
  return (devices ? childrenNamed(devices, "disk") : []).flatMap((disk) => {
    const mirror = childNamed(disk, "mirror");
    const device = attribute(childNamed(disk, "target"), "dev");
    if (mirror === null || device === null) return [];
    return [{ device, type: attribute(mirror, "job") ?? "copy", ready: attribute(mirror, "ready") === "yes" }];
  });
}
