/**
 * A definition that comes from outside is a proposal (DESIGN.md, invariant 16): from it a new one is built, of what is
 * taken by name alone (rules.ts).
 */
import type { CardSource, TakenDefinition } from "../../core/model/host.ts";
import { interfaceXml } from "../domain-new.ts";
import {
  attribute,
  childNamed,
  childrenNamed,
  childText,
  type Document,
  type Element,
  isXmlSafe,
  parseXml,
  serializeXml,
  setAttribute,
  setText,
} from "../xml.ts";
import { copyTaken, elementsOf, kindOf, type LeftOut, noneLeftOut } from "./copy.ts";
import {
  CARD,
  CLOCK,
  CPU,
  DEVICES,
  DISK,
  FEATURES,
  LOADER,
  MAC,
  NETWORK,
  OS,
  type Rule,
  UNSAID,
  WORD,
} from "./rules.ts";

/** What of this host it is built for. */
export interface ProposedTo {
  readonly kvm: boolean;
  readonly emulator: string;
  /** Files that libvirt offers as firmware: no other is taken. */
  readonly firmwares: readonly string[];
}

/** The one network that every new instance may be on. */
const NETWORK_OF_ALL = "default";

/**
 * Builds the definition of a guest from another one. Taken are vCPUs, memory, machine type, processor, firmware that
 * this host offers, the model of an emulated TPM, the buses and the order of disks (without their files), models of
 * network cards, the screen, the clock, and a channel for the guest agent; `leftOut` names the rest, in words for
 * people. From `outside` the name of a network is not taken, and one card, since all are on the network that is chosen
 * for the new guest; from `here` those on networks of libvirt are. "host" where it is no domain's XML.
 */
export function takenFrom(xml: string, to: ProposedTo, from: "outside" | "here"): TakenDefinition {
  const old = parseXml(xml, "domain").documentElement as Element;
  const document = parseXml("<domain/>", "domain");
  const root = document.documentElement as Element;
  const left = noneLeftOut();
  setAttribute(root, "type", to.kvm ? "kvm" : "qemu");
  const add = (name: string, value: string): Element => {
    const made = document.createElement(name);
    setText(made, value);
    root.appendChild(made);
    return made;
  };
  // Whoever asks for the new guest says what these are.
  const own = (word: string) => childText(old, word) ?? "";
  add("name", own("name") !== "" && isXmlSafe(own("name")) ? own("name") : "unnamed");
  add("uuid", isXmlSafe(own("uuid")) ? own("uuid") : "");
  for (const name of ["memory", "currentMemory"]) {
    const given = childNamed(old, name);
    if (given === null || !/^\d{1,20}$/.test(given.textContent?.trim() ?? "")) continue;
    const unit = attribute(given, "unit");
    const made = add(name, given.textContent?.trim() ?? "");
    if (unit !== null && /^\w{1,8}$/.test(unit)) setAttribute(made, "unit", unit);
  }
  const vcpus = childText(old, "vcpu") ?? "1";
  add("vcpu", /^\d{1,5}$/.test(vcpus) ? vcpus : "1");
  const whole: Readonly<Record<string, () => Element | null>> = {
    os: () => takeOs(document, old, to, left),
    features: () => takePart(document, old, "features", FEATURES, left),
    cpu: () => takeCpu(document, old, to, left),
    clock: () => takePart(document, old, "clock", CLOCK, left),
  };
  for (const take of Object.values(whole)) {
    const made = take();
    if (made !== null) root.appendChild(made);
  }
  for (const [name, value] of [
    ["on_poweroff", "destroy"],
    ["on_reboot", "restart"],
    ["on_crash", "destroy"],
  ] as const)
    add(name, value);
  for (const part of elementsOf(old)) {
    if (!Object.hasOwn(whole, part.tagName) && !UNSAID.includes(part.tagName)) left.add(kindOf(part));
  }
  root.appendChild(takeDevices(document, childNamed(old, "devices"), to, from, left));
  return { xml: serializeXml(document), leftOut: left.list() };
}

function takePart(document: Document, old: Element, name: string, rule: Rule, left: LeftOut): Element | null {
  const part = childNamed(old, name);
  return part === null ? null : copyTaken(document, part, rule, name, left);
}

/** Software emulation knows no processor of the host's. */
function takeCpu(document: Document, old: Element, to: ProposedTo, left: LeftOut): Element | null {
  const mode = attribute(childNamed(old, "cpu"), "mode");
  return !to.kvm && mode !== "custom" ? null : takePart(document, old, "cpu", CPU, left);
}

/** Firmware is a file of the host's that QEMU maps: one that libvirt offers, or whatever it chooses by itself. */
function takeOs(document: Document, old: Element, to: ProposedTo, left: LeftOut): Element | null {
  const os = childNamed(old, "os");
  if (os === null) return null;
  const made = copyTaken(document, os, OS, "os", left);
  const loader = childNamed(os, "loader");
  const path = loader?.textContent?.trim() ?? "";
  if (loader === null || path === "") return made;
  const type = childNamed(made, "type");
  if (to.firmwares.includes(path)) {
    const kept = copyTaken(document, loader, LOADER, "os/loader", left);
    setText(kept, path);
    made.insertBefore(kept, type?.nextSibling ?? null);
    return made;
  }
  left.add(`os/loader ${path}, which this host does not offer`);
  // That of the same kind which this host has.
  if (attribute(loader, "type") === "pflash" && !made.hasAttribute("firmware")) {
    setAttribute(made, "firmware", "efi");
    const firmware = document.createElement("firmware");
    const feature = document.createElement("feature");
    setAttribute(feature, "enabled", attribute(loader, "secure") === "yes" ? "yes" : "no");
    setAttribute(feature, "name", "secure-boot");
    firmware.appendChild(feature);
    made.insertBefore(firmware, type?.nextSibling ?? null);
  }
  return made;
}

function takeDevices(
  document: Document,
  old: Element | null,
  to: ProposedTo,
  from: "outside" | "here",
  left: LeftOut,
): Element {
  const made = document.createElement("devices");
  const append = (xml: string, root: string) =>
    made.appendChild(document.importNode(parseXml(xml, root).documentElement as Element, true));
  const parts = old === null ? [] : elementsOf(old);
  const emulator = document.createElement("emulator");
  setText(emulator, to.emulator);
  made.appendChild(emulator);
  let cards = 0;
  for (const part of parts) {
    const rule = Object.hasOwn(DEVICES, part.tagName) ? DEVICES[part.tagName] : undefined;
    if (part.tagName === "disk") takeDisk(document, made, part, left);
    else if (part.tagName === "interface") {
      const card = takeCard(document, part, cards, from, left);
      if (card !== null) made.appendChild(card);
      if (card !== null) cards++;
    } else if (part.tagName === "tpm" && attribute(childNamed(part, "backend"), "type") !== "emulator") {
      left.add(`tpm (${attribute(childNamed(part, "backend"), "type") ?? "none"})`);
    } else if (rule !== undefined) {
      const copy = copyTaken(document, part, rule, part.tagName, left);
      if (part.tagName === "rng") addRandomness(document, copy);
      made.appendChild(copy);
    } else if (!isPlain(part, to)) left.add(kindOf(part));
  }
  // As a new guest has them: a console that is logged, the agent's channel, a screen that this host alone can reach.
  append("<serial type='pty'><target port='0'/></serial>", "serial");
  append("<console type='pty'><target type='serial' port='0'/></console>", "console");
  if (parts.some(isAgent))
    append("<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>", "channel");
  if (childrenNamed(made, "video").length > 0) {
    append(
      "<graphics type='vnc' port='-1' autoport='yes'><listen type='address' address='127.0.0.1'/></graphics>",
      "graphics",
    );
  }
  return made;
}

function isAgent(device: Element): boolean {
  return device.tagName === "channel" && attribute(childNamed(device, "target"), "name") === "org.qemu.guest_agent.0";
}

/** Is it what the new guest has in its place, or nothing at all? */
function isPlain(device: Element, { emulator }: ProposedTo): boolean {
  const type = attribute(device, "type");
  const bare = childNamed(device, "source") === null && attribute(device, "path") === null;
  switch (device.tagName) {
    case "emulator":
      return device.textContent?.trim() === emulator;
    case "serial":
    case "console":
      return type === "pty" && attribute(childNamed(device, "target"), "port") === "0";
    case "channel":
      return isAgent(device) && type === "unix" && bare;
    case "graphics": {
      const address = attribute(device, "listen") ?? attribute(childNamed(device, "listen"), "address");
      return type === "vnc" && (address === null || address === "127.0.0.1") && attribute(device, "passwd") === null;
    }
    case "audio":
      return type === "none";
    case "hub":
      return true;
    case "watchdog": // libvirt gives each q35 one
      return attribute(device, "model") === "itco" && attribute(device, "action") === "reset";
    default:
      return false;
  }
}

function addRandomness(document: Document, rng: Element): void {
  const backend = document.createElement("backend");
  setAttribute(backend, "model", "random");
  setText(backend, "/dev/urandom");
  rng.insertBefore(backend, rng.firstChild);
}

/** Drives for media belong to the old guest's host. */
function takeDisk(document: Document, devices: Element, disk: Element, left: LeftOut): void {
  const device = attribute(childNamed(disk, "target"), "dev") ?? "";
  const role = attribute(disk, "device") ?? "disk";
  if (role !== "disk" || childNamed(disk, "target") === null) {
    left.add(`${role} ${device}`);
    return;
  }
  const made = copyTaken(
    document,
    withoutAttributes(disk, ["type", "snapshot", "model"]),
    DISK,
    `disk ${device}`,
    left,
  );
  setAttribute(made, "type", "file");
  setAttribute(made, "device", "disk");
  const driver = document.createElement("driver");
  for (const [name, value] of [
    ["name", "qemu"],
    ["type", "qcow2"],
    ["discard", "unmap"],
  ] as const)
    setAttribute(driver, name, value);
  made.insertBefore(driver, made.firstChild);
  devices.appendChild(made);
}

/** Without what says of where it was, not of what it is. */
function withoutAttributes(element: Element, names: readonly string[]): Element {
  const copy = element.cloneNode(true) as Element;
  for (const name of names) copy.removeAttribute(name);
  return copy;
}

/** Cards that are on the network of everybody, or of a process or a device: none of those is a name that is taken. */
const CARDS = ["network", "bridge", "direct", "ethernet", "user"];

function takeCard(
  document: Document,
  card: Element,
  place: number,
  from: "outside" | "here",
  left: LeftOut,
): Element | null {
  const type = attribute(card, "type") ?? "";
  const network = type === "network" ? attribute(childNamed(card, "source"), "network") : null;
  // A network of its own user names nothing of a host; the ports of one that lead to it are not taken.
  const isOwn = type === "user";
  const isKept =
    isOwn || (network !== null && NETWORK.test(network) && (from === "here" || network === NETWORK_OF_ALL));
  const where = network ?? attribute(childNamed(card, "source"), "bridge") ?? "";
  const words = `interface (${type}${where === "" ? "" : ` ${where}`})`;
  const isFirst = place === 0 && CARDS.includes(type);
  if (!isKept) left.add(words);
  if (!isFirst && (!isKept || from === "outside")) {
    left.add(words);
    return null;
  }
  const mac = attribute(childNamed(card, "mac"), "address") ?? "";
  const used = MAC.test(mac) ? mac.toLowerCase() : `52:54:00:00:00:${place.toString(16).padStart(2, "0")}`;
  const source: CardSource = isOwn
    ? { user: { backend: "qemu", forwards: [] } }
    : { network: isKept && network !== null ? network : NETWORK_OF_ALL };
  const written = interfaceXml({ ...source, mac: used });
  const made = document.importNode(parseXml(written.trim(), "interface").documentElement as Element, true);
  const copy = copyTaken(document, withoutAttributes(card, ["type", "trustGuestRxFilters"]), CARD, "interface", left);
  for (const child of elementsOf(copy)) {
    if (child.tagName === "mac") continue;
    const there = childNamed(made, child.tagName);
    if (there !== null) made.removeChild(there);
    made.appendChild(child);
  }
  return made;
}

/** The machine of a definition that names its firmware by a file: on it depends which of them libvirt offers. */
export function machineOf(xml: string): { readonly arch: string | null; readonly machine: string | null } | null {
  const os = childNamed(parseXml(xml, "domain").documentElement as Element, "os");
  if (os === null || childNamed(os, "loader") === null) return null;
  const type = childNamed(os, "type");
  const word = (name: string) => {
    const value = attribute(type, name);
    return value !== null && WORD.test(value) ? value : null;
  };
  return { arch: word("arch"), machine: word("machine") };
}
