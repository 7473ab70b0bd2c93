/** Copies of an element only what a rule names, and says what it left out. */
import { shortened } from "../../shortened.ts";
import { attribute, type Document, type Element, setAttribute, setText } from "../xml.ts";
import type { Rule } from "./rules.ts";

/** What was left out, in words for people: each once, in the order in which it stood there. */
export interface LeftOut {
  add(word: string): void;
  list(): string[];
}

export function noneLeftOut(): LeftOut {
  const words = new Set<string>();
  return { add: (word) => void words.add(short(word)), list: () => [...words] };
}

const LONGEST_WORD = 100;

/** Others wrote it: one line, and not a long one. */
export function short(text: string): string {
  return shortened(text.replace(/[^\P{C}]|\s/gu, " ").trim(), LONGEST_WORD);
}

/** The elements in an element. */
export function elementsOf(parent: Element): Element[] {
  return Array.from(parent.childNodes).filter((node): node is Element => node.nodeType === 1);
}

/**
 * A new element of `document` with what `rule` takes of `from`. An attribute of another value than the rule allows is
 * left out like one that it does not name. `path`: how people are told of what is in it ("video/model").
 */
export function copyTaken(document: Document, from: Element, rule: Rule, path: string, left: LeftOut): Element {
  const made = document.createElement(from.tagName);
  for (const { name, value } of Array.from(from.attributes)) {
    const allowed =
      rule.attributes !== undefined && Object.hasOwn(rule.attributes, name) ? rule.attributes[name] : null;
    if (allowed?.test(value)) setAttribute(made, name, value);
    else if (allowed !== null) left.add(`${path} ${name}=${value}`);
  }
  const text = from.textContent?.trim() ?? "";
  if (rule.text?.test(text)) setText(made, text);
  for (const child of elementsOf(from)) {
    const name = child.tagName;
    const known = rule.children !== undefined && Object.hasOwn(rule.children, name) ? rule.children[name] : undefined;
    if (known !== undefined) made.appendChild(copyTaken(document, child, known, `${path}/${name}`, left));
    else if (!rule.unsaid?.includes(name)) left.add(`${path}/${name}`);
  }
  return made;
}

/** "serial (file)": an element, and of which type. */
export function kindOf(element: Element): string {
  const type = attribute(element, "type") ?? attribute(element, "mode");
  return type === null ? element.tagName : `${element.tagName} (${type})`;
}
