/**
 * The marks of stores in a definition (DESIGN.md, invariant 11). Each store's is of a namespace of its own: libvirt
 * keeps one element of each in <metadata>, so that two stores which mark one guest at the same moment see each other.
 * Source: libvirt.org/formatdomain.html, "General metadata".
 */
import type { DomainMark } from "../core/model/host.ts";
import {
  attribute,
  childNamed,
  childrenOf,
  type Document,
  type Element,
  ensureChild,
  escapeXml,
  parseXml,
  type ReadElement,
  removeElement,
} from "./xml.ts";

const NAMESPACE = /^urn:estrato:store:([\w-]{1,64})$/;

/** The words of `virsh metadata` that set a mark, or take it away; where, the caller says. */
export function markWords(domain: string, { store, ...mark }: DomainMark, on: boolean): string[] {
  const which = ["metadata", "--domain", domain, "--uri", uriOf(store)];
  return [...which, ...(on ? ["--key", "estrato", "--set", `<guest ${facts(domain, mark)}/>`] : ["--remove"])];
}

const uriOf = (store: string) => `urn:estrato:store:${store}`;

function facts(domain: string, { machine, machineName, home }: Omit<DomainMark, "store">): string {
  const named = { of: domain, machine, "machine-name": machineName, home };
  return Object.entries(named)
    .map(([name, value]) => `${name}="${escapeXml(value)}"`)
    .join(" ");
}

/** A definition that somebody copied for another guest brings marks that name the guest it was of: they count not. */
export function readMarks(root: ReadElement, uuid: string): DomainMark[] {
  return marksIn(root).flatMap(({ element, store }) => {
    const [machine, home] = [attribute(element, "machine"), attribute(element, "home")];
    if (attribute(element, "of") !== uuid || machine === null || home === null) return [];
    return [{ store, machine, machineName: attribute(element, "machine-name") ?? machine, home }];
  });
}

/** The element, as libvirt has it in <metadata>. */
export function markXml(uuid: string, mark: DomainMark): string {
  return `<estrato:guest xmlns:estrato="${uriOf(mark.store)}" ${facts(uuid, mark)}/>`;
}

/** In a document that is about to be defined: beside the marks of others. */
export function setMark(root: Element, uuid: string, mark: DomainMark): void {
  for (const { element, store } of marksIn(root)) if (store === mark.store) removeElement(element);
  const made = parseXml(markXml(uuid, mark), "estrato:guest").documentElement as Element;
  ensureChild(root, "metadata").appendChild((root.ownerDocument as Document).importNode(made, true));
}

export function dropMarks(root: Element): void {
  for (const { element } of marksIn(root)) removeElement(element);
}

function marksIn<E extends ReadElement>(root: E): { element: E; store: string }[] {
  const metadata = childNamed(root, "metadata");
  if (metadata === null) return [];
  return childrenOf(metadata).flatMap((element) => {
    const store = NAMESPACE.exec(element.namespaceURI ?? "")?.[1];
    return store === undefined ? [] : [{ element, store }];
  });
}
