/**
 * Other files for disks, put into the text of a definition that is as libvirt writes it: what every snapshot does, in a
 * twentieth of the time that the parser takes to be loaded, to read all of it and to write it again.
 */
import type { DefinitionEdit, DiskFile } from "../core/model/host.ts";
import { randomUuid } from "../random.ts";
import { isDevicePath } from "./domain-new.ts";
import { PlainElement } from "./plain-xml.ts";
import { attribute, childAt, childNamed, childrenNamed, childrenOf, escapeXml, type ReadElement } from "./xml.ts";

/** What an old source said of its place goes, and of the secret that opened it; labels and reservations stay. */
export const KEPT_IN_SOURCE: ReadonlySet<string> = new Set(["seclabel", "reservations", "privateData"]);

interface Splice {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/**
 * The text with the edit made, what is not changed byte for byte as it was; null where that is more than other files of
 * disks that are there, or the document is not plain, or an encrypted file has to be named with its secret: those are
 * for editDefinition. `root`: of `xml`.
 */
export function plainlyEdited(xml: string, root: ReadElement, edit: DefinitionEdit): string | null {
  const { disks = {}, dropBackingStore, newGenerationId, ...others } = edit;
  const devices = childNamed(root, "devices");
  if (Object.keys(others).length > 0 || !(root instanceof PlainElement) || !(devices instanceof PlainElement))
    return null;
  const all = childrenNamed(devices, "disk");
  const splices: Splice[] = [];
  const changed = new Set<PlainElement>();
  for (const [device, to] of Object.entries(disks)) {
    const disk = all.find((one) => attribute(childNamed(one, "target"), "dev") === device);
    const changes = disk === undefined || to === null ? null : withSource(xml, disk, to);
    if (disk === undefined || changes === null) return null;
    changed.add(disk);
    splices.push(...changes);
  }
  for (const disk of dropBackingStore ? all : []) {
    if (changed.has(disk)) continue;
    const isEncrypted = childAt(disk, "source", "encryption") !== null;
    const stale = childrenOf(disk).filter(
      ({ tagName }) => tagName === "mirror" || (tagName === "backingStore" && !isEncrypted),
    );
    splices.push(...stale.map((one) => without(xml, one)));
  }
  if (newGenerationId) splices.push(withGenerationId(xml, root, randomUuid()));
  let [text, at] = ["", 0];
  for (const splice of splices.sort((a, b) => a.from - b.from)) {
    text += xml.slice(at, splice.from) + splice.text;
    at = splice.to;
  }
  return text + xml.slice(at);
}

const WITH_CHAIN: ReadonlySet<string> = new Set(["backingStore", "mirror", "encryption"]);

/** The disk's file, and what goes with the one before; null where the disk has no source or driver to be changed. */
function withSource(xml: string, disk: PlainElement, to: DiskFile): Splice[] | null {
  const [source, driver] = [childNamed(disk, "source"), childNamed(disk, "driver")];
  if (to.encryption !== undefined || source === null || driver === null) return null;
  const kind = isDevicePath(to.path) ? "block" : "file";
  const name = driver.getAttribute("name") ?? "qemu";
  const startupPolicy = source.getAttribute("startupPolicy");
  const stale = [
    ...childrenOf(source).filter(({ tagName }) => !KEPT_IN_SOURCE.has(tagName)),
    ...childrenOf(disk).filter(({ tagName }) => WITH_CHAIN.has(tagName)),
  ];
  return [
    ...withAttributes(xml, disk, new Map([...disk.attributes, ["type", kind]])),
    ...withAttributes(
      xml,
      source,
      new Map([
        ...(startupPolicy === null ? [] : [["startupPolicy", startupPolicy] as const]),
        [kind === "block" ? "dev" : "file", to.path],
      ]),
    ),
    ...withAttributes(xml, driver, new Map([...driver.attributes, ["name", name], ["type", to.format]])),
    ...stale.map((one) => without(xml, one)),
  ];
}

/** Its start tag with these attributes; nothing where it has just these. */
function withAttributes(
  xml: string,
  { tagName, attributes, place }: PlainElement,
  wanted: ReadonlyMap<string, string>,
): Splice[] {
  const isSame =
    wanted.size === attributes.size && [...wanted].every(([name, value]) => attributes.get(name) === value);
  if (isSame) return [];
  const words = Array.from(wanted, ([name, value]) => ` ${name}='${escapeXml(value)}'`);
  const close = xml[place.inner - 2] === "/" ? "/>" : ">";
  return [{ from: place.start, to: place.inner, text: `<${tagName}${words.join("")}${close}` }];
}

/** In the place of the one that is there, or as the last of the document. */
function withGenerationId(xml: string, root: PlainElement, id: string): Splice {
  const text = `<genid>${id}</genid>`;
  const there = childNamed(root, "genid");
  if (there !== null) return { from: there.place.start, to: there.place.end, text };
  const end = xml.lastIndexOf("</", root.place.end);
  return { from: end, to: end, text };
}

/** Without it, and the blanks before it where nothing else stands between it and the tag before. */
function without(xml: string, { place }: PlainElement): Splice {
  let from = place.start;
  while (/[ \t\n]/.test(xml[from - 1] ?? "")) from -= 1;
  return { from: xml[from - 1] === ">" ? from : place.start, to: place.end, text: "" };
}
