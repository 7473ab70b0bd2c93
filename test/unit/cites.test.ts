import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { extname } from "node:path";
import { expect, test } from "vitest";
import { brokenCites, type Tree } from "./cites.ts";

const FOLDERS = ["src", "test", "bin", "man", ".ci"];
/** What the real programs said, and what is read as bytes. */
const NO_TEXT = /\/recorded\/|\.(fd|iso|qcow2|png|gz)$/;

function repository(): Tree {
  const tree = new Map<string, string>();
  const add = (path: string): void => {
    if (!NO_TEXT.test(path)) tree.set(path, readFileSync(path, "utf8"));
  };
  for (const folder of FOLDERS) {
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      if (lstatSync(`${folder}/${name}`).isFile()) add(`${folder}/${name}`);
    }
  }
  for (const name of readdirSync(".")) if (/\.(md|ts|mjs)$/.test(name)) add(name);
  return tree;
}

test("every document, section, invariant, trap, manual page and path that the repository cites is there", () => {
  const tree = repository();
  const ours = [...tree.keys()].filter((path) => !path.startsWith("test/unit/cites."));
  for (const needed of ["src/core/DESIGN.md", "src/host/LIBVIRT.md", "README.md", "CONTRIBUTING.md", "man/estrato.1"]) {
    expect(ours).toContain(needed);
  }
  expect(ours.filter((path) => extname(path) === ".ts").length).toBeGreaterThan(300);
  expect(ours.flatMap((path) => brokenCites(tree, path))).toEqual([]);
});

const TREE = {
  "src/core/DESIGN.md": "# D\n\n## 1. One idea\ntext\n\n## 4. Invariants\n1. **A.** b\n2. **C.** d\n",
  "src/host/LIBVIRT.md": "# L\n\n## Merging, exactly\n\n## Traps that lose data\n1. a\n12. b\n",
  "man/estrato-x.7": '.SH "NAME"\n.SH "ONE THING"\n',
  "src/core/a.ts": "",
};

function broken(text: string, path = "src/core/a.ts"): string[] {
  return brokenCites(new Map(Object.entries({ ...TREE, [path]: text })), path).map((line) =>
    line.slice(path.length + 2),
  );
}

test("what is there may be cited, also across the lines of a comment", () => {
  const cites = [
    "DESIGN.md, section 1",
    "DESIGN.md, invariants 1 and 2",
    "LIBVIRT.md, trap 12",
    "src/host/LIBVIRT.md",
    'LIBVIRT.md, "Merging, exactly"',
    "estrato-x(7)",
    "ONE THING in estrato-x(7)",
    'see "man estrato-x", One thing.',
    "src/core/a.ts, src/host/, src/*/a.ts, man/*.7",
    "src/commands/NOUN/VERB.ts",
    "RFC 1035, section 2.3.4",
    "virsh(1)",
  ];
  for (const cite of cites) expect(broken(`/** Why (${cite}). */`), cite).toEqual([]);
  expect(broken("/**\n * As in DESIGN.md,\n * section 1.\n */")).toEqual([]);
  expect(broken("See section 1 and invariant 2.", "src/core/DESIGN.md")).toContain(
    "section 1: src/core/DESIGN.md has no section 1",
  );
});

test("a guide may name its own headings, and no others", () => {
  expect(broken("## ONE THING\nSee ONE THING.", "man/estrato-x.7.md")).toEqual([]);
  expect(broken("## ONE THING\nSee OTHER THING.", "man/estrato-x.7.md")).toEqual(["See OTHER THING: no such heading"]);
});

test.each([
  ["NOTES.md", "NOTES.md: no such document"],
  ["src/DESIGN.md", "src/DESIGN.md: no such document"],
  ["DESIGN, by and large", "DESIGN: say DESIGN.md"],
  ["DESIGN.md, section 9", "DESIGN.md, section 9: src/core/DESIGN.md has no section 9"],
  ["DESIGN.md, invariants 2 to 3", "DESIGN.md, invariants 2 to 3: src/core/DESIGN.md has no invariant 3"],
  ["DESIGN.md, trap 1", "DESIGN.md, trap 1: src/core/DESIGN.md has no trap 1"],
  ["LIBVIRT.md, traps 1 and 2", "LIBVIRT.md, traps 1 and 2: src/host/LIBVIRT.md has no trap 2"],
  ["by invariant 1", "invariant 1: of which document?"],
  ['LIBVIRT.md, "Merging"', 'LIBVIRT.md, "Merging": no such heading'],
  ["estrato-y(7)", "estrato-y(7): no such page"],
  ["estrato-x(1)", "estrato-x(1): no such page"],
  ['"man estrato-y"', "man estrato-y: no such page"],
  ['"man estrato-x", Another thing', 'man estrato-x", Another thing: no such heading'],
  ["OTHER THING in estrato-x(7)", "OTHER THING in estrato-x(7): no such heading"],
  ["src/core/b.ts", "src/core/b.ts: no such file or folder"],
  ["src/core/*.mjs", "src/core/*.mjs: no such file or folder"],
])("%s is reported where it is not there", (cite, said) => {
  expect(broken(`// ${cite}.`)).toContain(said);
});
