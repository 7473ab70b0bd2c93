/** What a text cites (documents, their sections and rules, manual pages, paths) and whether it is there. */

/** The files of the repository that can be cited, or that cite: path from its top → text. */
export type Tree = ReadonlyMap<string, string>;

const DOCUMENT = String.raw`(?<![\w/.-])[\w./-]+\.md`;
const NUMBERED = /\b(section|invariant|trap|fact)s? (\d+(?:(?:, | and | to )\d+)*)/gi;
/** What stands before a number. */
const OF = /(?<![\w/.-])([\w./-]+\.md|RFC \d+),? $/;
const LONGEST_NAME = 100;
const QUOTED = new RegExp(`(${DOCUMENT}), "([^"]+)"`, "g");
const NAMED = new RegExp(String.raw`${DOCUMENT}\b`, "g");
/** The guides of the manual have names of their own, and are cited as pages. */
const IS_DOCUMENT = /[A-Z]+\.md$/;
/** A document's name that lost its ending: nobody finds that file. LIBVIRT and CLI are words too. */
const BARE = /\b(DESIGN|STACK|STYLE|CONTRIBUTING|CHANGELOG)\b(?!\.md)/g;
const PAGE = /\b(estrato(?:-[a-z]+)?)\((\d)\)/g;
const MAN = /\bman (estrato(?:-[a-z]+)?)\b(?![-$])(?:", ([^."'`]+))?/g;
/** Within a guide: a heading of its own. */
const SEE = /\b[Ss]ee ([A-Z]{2}[A-Z' ]+)(?=[.,;:)])/g;
const IN_PAGE = /\b([A-Z][A-Z' ]+) in (estrato(?:-[a-z]+)?)\((\d)\)/g;
const PATH = /(?<![\w/.$}-])(?:src|test|bin|man|\.ci)\/[\w./*-]+/g;
/** src/commands/NOUN/VERB.ts stands for many; what is written in C is QEMU's or libvirt's. */
const NOT_OURS = /\/[A-Z]+(?![\w.-]*\.md)|\.[ch]$/;

/** A cite, and why it is broken. */
type Broken = readonly [cite: string, why: string];

/** One line for each cite in the file `path` of what is not in `tree`; [] where all is there. */
export function brokenCites(tree: Tree, path: string): string[] {
  const text = flowing(tree.get(path) ?? "");
  const broken = [documents, rules, pages, paths].flatMap((find) => [...find(tree, path, text)]);
  return broken.map(([cite, why]) => `${path}: ${cite}: ${why}`);
}

function* documents(tree: Tree, path: string, text: string): Generator<Broken> {
  for (const [cite] of text.matchAll(BARE)) yield [cite, `say ${cite}.md`];
  for (const [cite] of text.matchAll(NAMED)) {
    if (IS_DOCUMENT.test(cite) && documentOf(tree, path, cite) === null) yield [cite, "no such document"];
  }
  for (const [cite, name = "", heading = ""] of text.matchAll(QUOTED)) {
    const document = documentOf(tree, path, name);
    if (document !== null && !headings(tree.get(document) ?? "").includes(heading)) yield [cite, "no such heading"];
  }
}

/** Sections, invariants and traps by their numbers: of the document before them, and in a document of itself. */
function* rules(tree: Tree, path: string, text: string): Generator<Broken> {
  for (const match of text.matchAll(NUMBERED)) {
    const [rule, kind = "", numbers = ""] = match;
    const [before = "", name] = OF.exec(text.slice(Math.max(0, match.index - LONGEST_NAME), match.index)) ?? [];
    if (name?.startsWith("RFC")) continue;
    const cite = before + rule;
    if (name === undefined && !path.endsWith(".md")) {
      yield [cite, "of which document?"];
      continue;
    }
    const document = name === undefined ? path : documentOf(tree, path, name);
    if (document === null) continue; // "no such document"
    for (const number of spread(numbers)) {
      if (hasNumber(tree.get(document) ?? "", kind.toLowerCase(), number)) continue;
      yield [cite, `${document} has no ${kind} ${number}`];
    }
  }
}

function* pages(tree: Tree, path: string, text: string): Generator<Broken> {
  for (const [cite, page, section] of text.matchAll(PAGE)) {
    if (!tree.has(`man/${page}.${section}`)) yield [cite, "no such page"];
  }
  for (const [cite, page = "", rest] of text.matchAll(MAN)) {
    const found = [...tree.keys()].filter((one) => new RegExp(String.raw`^man/${page}\.\d$`).test(one));
    if (found.length === 0) yield [cite, "no such page"];
    else if (rest !== undefined && !found.some((one) => begins(tree.get(one) ?? "", rest)))
      yield [cite, "no such heading"];
  }
  for (const [cite, heading = "", page, section] of text.matchAll(IN_PAGE)) {
    const known = tree.get(`man/${page}.${section}`);
    if (known !== undefined && !roffHeadings(known).some((one) => heading.endsWith(one)))
      yield [cite, "no such heading"];
  }
  if (!/^man\/.*\.md$/.test(path)) return;
  for (const [cite, heading = ""] of text.matchAll(SEE)) {
    if (!headings(tree.get(path) ?? "").includes(heading)) yield [cite, "no such heading"];
  }
}

function* paths(tree: Tree, _path: string, text: string): Generator<Broken> {
  for (const [found] of text.matchAll(PATH)) {
    const cite = found.replace(/[./*]+$/, ""); // the end of a sentence is no part of it
    if (!NOT_OURS.test(cite) && !isThere(tree, cite)) yield [cite, "no such file or folder"];
  }
}

/** Comments and paragraphs as one line each; a page's minus signs as they are typed. */
function flowing(text: string): string {
  return text.replaceAll("\\-", "-").replaceAll(/[ \t]*\n[ \t]*(?:\*(?!\/)|\/\/|#(?!#))?[ \t]*/g, " ");
}

/** A path; else the file of that name beside the one that cites it, or at the top, or the only one there is. */
function documentOf(tree: Tree, from: string, name: string): string | null {
  if (name.includes("/")) return tree.has(name) ? name : null;
  const beside = `${from.slice(0, from.lastIndexOf("/") + 1)}${name}`;
  if (tree.has(beside)) return beside;
  const found = [...tree.keys()].filter((one) => one === name || one.endsWith(`/${name}`));
  if (found.includes(name)) return name;
  return found.length === 1 ? (found[0] ?? null) : null;
}

/** `path` may hold "*", for any part of a name. */
function isThere(tree: Tree, path: string): boolean {
  const parts = path
    .replaceAll("**/", "*")
    .split(/\*+/)
    .map((part) => part.replaceAll(".", "\\."));
  const pattern = new RegExp(`^${parts.join(".*")}(/|$)`);
  return [...tree.keys()].some((one) => pattern.test(one));
}

/** "1, 3 and 5 to 7". */
function spread(numbers: string): number[] {
  const found: number[] = [];
  for (const part of numbers.split(/, | and /)) {
    const [first = 0, last = first] = part.split(" to ").map(Number);
    for (let number = first; number <= last; number += 1) found.push(number);
  }
  return found;
}

/** A section is a heading "## 3. …"; an invariant or a trap is an item "3. …" under the heading that names them. */
function hasNumber(document: string, kind: string, number: number): boolean {
  if (kind === "section") return new RegExp(String.raw`^## ${number}\. `, "m").test(document);
  const under = document.split(/^## /m).find((part) => part.split("\n")[0]?.toLowerCase().includes(kind));
  return under !== undefined && new RegExp(String.raw`^${number}\. `, "m").test(under);
}

function headings(document: string): string[] {
  return [...document.matchAll(/^#+ (?:\d+\. )?(.+)$/gm)].map(([, heading = ""]) => heading);
}

function roffHeadings(page: string): string[] {
  return [...page.matchAll(/^\.S[HS] "(.+)"$/gm)].map(([, heading = ""]) => heading.replaceAll("\\-", "-"));
}

function begins(page: string, text: string): boolean {
  return roffHeadings(page).some((heading) => text.toUpperCase().startsWith(heading.toUpperCase()));
}
