/** What of this host a definition names: what a person must see before it is taken whole. */
import { attribute, childNamed, type Element, parseXml } from "../xml.ts";
import { elementsOf, short } from "./copy.ts";

/** More than anybody reads. */
const MOST_NAMES = 60;

/** Words whose values name something of the host, wherever they stand. */
const NAMING = new Set([
  ...["network", "bridge", "portgroup", "dev", "file", "dir", "path", "socket", "host", "service"],
  ...["pool", "volume", "uuid", "rendernode", "parent", "vendor", "product"],
]);

/** Elements that are of the host with all that is in them. */
const OF_HOST = new Set(["hostdev", "filesystem", "script", "filterref", "virtualport", "seclabel", "launchSecurity"]);

/**
 * One line for each path, device, script, network, and each line that goes to QEMU as it is: "interface/script
 * path=/usr/bin/x". Others wrote them: to be shown made harmless. Where there are more than can be read, the last line
 * says so.
 */
export function namedOfHost(xml: string): string[] {
  const root = parseXml(xml, "domain").documentElement as Element;
  const lines = new Set<string>();
  for (const part of elementsOf(root)) {
    if (part.tagName === "devices")
      for (const device of elementsOf(part)) walk(device, deviceWord(device), lines, false);
    else if (part.tagName !== "metadata") walk(part, part.tagName, lines, part.tagName.includes(":"));
  }
  const all = [...lines];
  if (all.length <= MOST_NAMES) return all;
  return [...all.slice(0, MOST_NAMES), `${all.length - MOST_NAMES} more, which are not shown`];
}

function deviceWord(device: Element): string {
  const target = attribute(childNamed(device, "target"), "dev");
  return target === null ? device.tagName : `${device.tagName} ${target}`;
}

/** `whole`: every word in it counts. */
function walk(element: Element, path: string, lines: Set<string>, whole: boolean): void {
  const all = whole || OF_HOST.has(element.tagName);
  const isTarget = ["target", "address", "boot"].includes(element.tagName); // of the guest's own
  for (const { name, value } of Array.from(element.attributes)) {
    if (value.includes("/") || (!isTarget && NAMING.has(name)) || (all && name !== "type"))
      lines.add(short(`${path} ${name}=${value}`));
  }
  const children = elementsOf(element);
  const text = children.length === 0 ? (element.textContent?.trim() ?? "") : "";
  if (text !== "" && (all || text.startsWith("/"))) lines.add(short(`${path} ${text}`));
  if (all && element.attributes.length === 0 && children.length === 0 && text === "") lines.add(path);
  for (const child of children) walk(child, `${path}/${child.tagName}`, lines, all);
}
