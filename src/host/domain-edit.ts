/** Changes of a definition, made in place: what is not named survives. */
import type { CardSource, DefinitionEdit, DiskFile, Forward } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { randomUuid } from "../random.ts";
import { dropMarks, setMark } from "./domain-marks.ts";
import { cardSourceXml, diskXml, forwardXml, interfaceXml, isDevicePath } from "./domain-new.ts";
import { definitionRoot } from "./domain-xml.ts";
import { KEPT_IN_SOURCE, plainlyEdited } from "./plain-edit.ts";
import {
  attribute,
  childAt,
  childNamed,
  childrenNamed,
  childText,
  type Document,
  type Element,
  ensureChild,
  parseXml,
  removeElement,
  serializeXml,
  setAttribute,
  setText,
} from "./xml.ts";

const BY_HAND = "Change it by hand: virsh edit.";

/**
 * The document with the edit made. "conflict" where a disk or MAC that the edit names is not in it, or where an
 * added device is; "usage" for text that XML cannot hold.
 */
export function editDefinition(xml: string, edit: DefinitionEdit): string {
  return plainlyEdited(xml, definitionRoot(xml), edit) ?? editedByParser(xml, edit);
}

/** The same, whatever the edit and the document are. */
export function editedByParser(xml: string, edit: DefinitionEdit): string {
  const document = parseXml(xml, "domain");
  const root = document.documentElement as Element;
  const devices = ensureChild(root, "devices");
  if (edit.name !== undefined || edit.uuid !== undefined) setIdentity(root, devices, edit);
  if (edit.vcpus !== undefined) setVcpus(root, edit.vcpus);
  if (edit.ramBytes !== undefined) setMemory(root, edit.ramBytes);
  if (edit.dropBackingStore) dropBackingStore(devices); // before new ones are set
  for (const [device, disk] of Object.entries(edit.disks ?? {})) {
    const element = diskOf(devices, device);
    if (element === null) throw new EstratoError("conflict", `${device}: the definition has no such disk`);
    if (disk === null) removeElement(element);
    else setDiskSource(element, disk);
  }
  for (const [device, pool] of Object.entries(edit.poolDisks ?? {})) {
    const element = diskOf(devices, device);
    if (element === null) throw new EstratoError("conflict", `${device}: the definition has no such disk`);
    setPoolSource(element, pool);
  }
  for (const disk of edit.addDisks ?? []) {
    if (diskOf(devices, disk.device))
      throw new EstratoError("conflict", `${disk.device}: the definition has it already`);
    addAfterDisks(devices, parseXml(diskXml(disk), "disk"));
  }
  for (const [from, to] of Object.entries(edit.macs ?? {})) setMac(devices, from, to);
  for (const [mac, source] of Object.entries(edit.networks ?? {})) setCardSource(devices, mac, source);
  for (const mac of edit.dropInterfaces ?? []) for (const nic of interfacesOf(devices, mac)) removeElement(nic);
  for (const nic of edit.addInterfaces ?? []) addAfterDisks(devices, parseXml(interfaceXml(nic).trim(), "interface"));
  if (edit.forwards !== undefined) setForwards(devices, edit.forwards);
  if (edit.nvram !== undefined) setNvram(root, edit.nvram);
  if (edit.ownTpm) dropTpmSource(devices);
  if (edit.newGenerationId) setText(ensureChild(root, "genid"), randomUuid());
  const generationId = edit.dropGenerationId ? childNamed(root, "genid") : null;
  if (generationId) removeElement(generationId);
  if (edit.dropMarks) dropMarks(root);
  if (edit.mark !== undefined) setMark(root, childText(root, "uuid") ?? "", edit.mark);
  if (edit.consoleLog !== undefined) setConsoleLog(devices, edit.consoleLog);
  return serializeXml(document);
}

function diskOf(devices: Element, device: string): Element | null {
  return childrenNamed(devices, "disk").find((disk) => attribute(childNamed(disk, "target"), "dev") === device) ?? null;
}

function setIdentity(root: Element, devices: Element, edit: DefinitionEdit): void {
  if (edit.name !== undefined) setText(ensureChild(root, "name"), edit.name);
  if (edit.uuid !== undefined) {
    setText(ensureChild(root, "uuid"), edit.uuid);
    // libvirt refuses a document whose SMBIOS UUID is not the domain's
    const system = childAt(root, "sysinfo", "system");
    for (const entry of system ? childrenNamed(system, "entry") : []) {
      if (attribute(entry, "name") === "uuid") setText(entry, edit.uuid);
    }
  }
  root.removeAttribute("id");
  // a socket path that libvirt made from the old name belongs to the other domain
  for (const channel of childrenNamed(devices, "channel")) {
    const source = childNamed(channel, "source");
    const path = attribute(source, "path");
    if (source && path && /^\/(var\/lib|run|var\/run)\/libvirt\/qemu\//.test(path)) removeElement(source);
  }
}

function setVcpus(root: Element, vcpus: number): void {
  if (!Number.isInteger(vcpus) || vcpus < 1) throw new EstratoError("usage", `${vcpus}: not a number of vCPUs`);
  if (childAt(root, "cpu", "numa")) {
    throw new EstratoError("conflict", "the definition has NUMA cells, whose vCPUs cannot be changed here", {
      hint: BY_HAND,
    });
  }
  const vcpu = ensureChild(root, "vcpu");
  setText(vcpu, String(vcpus));
  vcpu.removeAttribute("current");
  const each = childNamed(root, "vcpus");
  if (each) removeElement(each);
  const topology = childAt(root, "cpu", "topology");
  if (topology) removeElement(topology); // libvirt refuses one whose product is another number
}

function setMemory(root: Element, ramBytes: number): void {
  const kib = Math.floor(ramBytes / 1024);
  if (!Number.isInteger(kib) || kib < 1) throw new EstratoError("usage", `${ramBytes}: not a size of memory`);
  if (childAt(root, "cpu", "numa")) {
    throw new EstratoError("conflict", "the definition has NUMA cells, whose memory cannot be changed here", {
      hint: BY_HAND,
    });
  }
  for (const name of ["memory", "currentMemory"]) {
    const element = ensureChild(root, name);
    setText(element, String(kib));
    setAttribute(element, "unit", "KiB");
  }
}

function setDiskSource(disk: Element, to: DiskFile): void {
  const kind = isDevicePath(to.path) ? "block" : "file";
  setAttribute(disk, "type", kind);
  const source = childNamed(disk, "source") ?? insertAfter(disk, childNamed(disk, "driver"), "source");
  for (const name of Array.from(source.attributes, (each) => each.name)) {
    if (name !== "startupPolicy") source.removeAttribute(name);
  }
  for (const node of Array.from(source.childNodes)) {
    if (node.nodeType === 1 && !KEPT_IN_SOURCE.has((node as Element).tagName)) removeElement(node as Element);
  }
  setAttribute(source, kind === "block" ? "dev" : "file", to.path);
  const driver = childNamed(disk, "driver") ?? insertBefore(disk, source, "driver");
  if (!driver.hasAttribute("name")) setAttribute(driver, "name", "qemu");
  setAttribute(driver, "type", to.format);
  const older = childrenNamed(disk, "encryption");
  for (const stale of [...childrenNamed(disk, "backingStore"), ...childrenNamed(disk, "mirror"), ...older]) {
    removeElement(stale);
  }
  if (to.encryption !== undefined) setEncryption(disk, source, to);
}

/** Of a disk that has a path. */
function setPoolSource(disk: Element, { name, volume }: { readonly name: string; readonly volume: string }): void {
  const source = childNamed(disk, "source");
  if (source === null) return;
  for (const word of ["file", "dev"]) source.removeAttribute(word);
  setAttribute(disk, "type", "volume");
  setAttribute(source, "pool", name);
  setAttribute(source, "volume", volume);
}

/** The secret in the source, and the chain behind it, as a new disk of that file would have them. */
function setEncryption(disk: Element, source: Element, to: DiskFile): void {
  const document = disk.ownerDocument as Document;
  const made = parseXml(diskXml({ ...to, device: "vda", readonly: false, serial: null }), "disk");
  const root = made.documentElement as Element;
  const [encryption, backing] = [childAt(root, "source", "encryption"), childNamed(root, "backingStore")];
  if (encryption) source.appendChild(document.importNode(encryption, true));
  if (backing) disk.insertBefore(document.importNode(backing, true), source.nextSibling);
}

function insertAfter(parent: Element, sibling: Element | null, name: string): Element {
  const made = (parent.ownerDocument as Document).createElement(name);
  parent.insertBefore(made, sibling?.nextSibling ?? parent.firstChild);
  return made;
}

function insertBefore(parent: Element, sibling: Element, name: string): Element {
  const made = (parent.ownerDocument as Document).createElement(name);
  parent.insertBefore(made, sibling);
  return made;
}

function addAfterDisks(devices: Element, disk: Document): void {
  const node = (devices.ownerDocument as Document).importNode(disk.documentElement as Element, true);
  const last = childrenNamed(devices, "disk").at(-1);
  devices.insertBefore(node, last?.nextSibling ?? devices.firstChild);
}

/** "conflict" where there is none. */
function interfacesOf(devices: Element, mac: string): Element[] {
  const found = childrenNamed(devices, "interface").filter(
    (nic) => attribute(childNamed(nic, "mac"), "address")?.toLowerCase() === mac.toLowerCase(),
  );
  if (found.length === 0) throw new EstratoError("conflict", `${mac}: the definition has no such MAC`);
  return found;
}

function setMac(devices: Element, from: string, to: string): void {
  for (const nic of interfacesOf(devices, from)) setAttribute(childNamed(nic, "mac") as Element, "address", to);
}

const OF_SOURCE = ["source", "backend", "portForward"];

/** A card of another kind becomes one of this kind; what it is in the guest stays. */
function setCardSource(devices: Element, mac: string, to: CardSource): void {
  const { type, elements } = cardSourceXml(to);
  for (const nic of interfacesOf(devices, mac)) {
    setAttribute(nic, "type", type);
    for (const old of OF_SOURCE.flatMap((name) => childrenNamed(nic, name))) removeElement(old);
    addBehindMac(nic, elements);
  }
}

/** Of the first card that passt serves: QEMU's own is told them while it runs. */
function setForwards(devices: Element, forwards: readonly Forward[]): void {
  const nic = childrenNamed(devices, "interface").find(
    (one) => attribute(one, "type") === "user" && attribute(childNamed(one, "backend"), "type") === "passt",
  );
  if (nic === undefined) return;
  for (const old of childrenNamed(nic, "portForward")) removeElement(old);
  addBehindMac(nic, forwards.map(forwardXml));
}

function addBehindMac(nic: Element, elements: readonly string[]): void {
  const document = nic.ownerDocument as Document;
  const before = childNamed(nic, "mac")?.nextSibling ?? nic.firstChild;
  for (const text of elements) {
    const name = /^<(\w+)/.exec(text)?.[1] ?? "";
    nic.insertBefore(document.importNode(parseXml(text, name).documentElement as Element, true), before);
  }
}

function setNvram(root: Element, path: string): void {
  const nvram = ensureChild(ensureChild(root, "os"), "nvram");
  const source = childNamed(nvram, "source");
  if (source) setAttribute(source, "file", path);
  else setText(nvram, path);
}

/** Two guests with one TPM would write over each other's. */
function dropTpmSource(devices: Element): void {
  const backends = childrenNamed(devices, "tpm").flatMap((tpm) => childrenNamed(tpm, "backend"));
  for (const source of backends.flatMap((backend) => childrenNamed(backend, "source"))) removeElement(source);
}

/** Without the chain libvirt asks the files, but it cannot open an encrypted one whose secret it is not told. */
function dropBackingStore(devices: Element): void {
  for (const disk of childrenNamed(devices, "disk")) {
    const encrypted = childAt(disk, "source", "encryption") !== null;
    const chains = encrypted ? [] : childrenNamed(disk, "backingStore");
    for (const stale of [...chains, ...childrenNamed(disk, "mirror")]) removeElement(stale);
  }
}

/** The first serial port logs there, and the console that libvirt shows for the same port. */
function setConsoleLog(devices: Element, path: string): void {
  const ports = [childNamed(devices, "serial"), childNamed(devices, "console")].filter((port) => port !== null);
  for (const port of ports) {
    const log = childNamed(port, "log") ?? insertBefore(port, childNamed(port, "target") as Element, "log");
    setAttribute(log, "file", path);
    setAttribute(log, "append", "on");
  }
}
