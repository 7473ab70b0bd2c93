import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { guidePage } from "../../../src/manual/markdown.ts";
import { allPages } from "../../../src/manual.ts";
import { runIfThere } from "../programs.ts";

const RELEASE = { version: "1.0", date: "2026-11-22" };

test("the manual that is checked in is made of the declarations: run `npm run man` after a change of them", async () => {
  const pages = await allPages("man");
  const checkedIn = readdirSync("man").filter((file) => !file.endsWith(".md"));
  expect(checkedIn.sort()).toEqual([...pages.keys()].sort());
  for (const [file, text] of pages) expect(readFileSync(`man/${file}`, "utf8"), file).toBe(text);
  const { man } = JSON.parse(readFileSync("package.json", "utf8")) as { man: string[] };
  expect(man).toEqual([...pages.keys()].sort().map((file) => `man/${file}`));
});

test("every page has its exit codes, or is a guide", async () => {
  const pages = await allPages("man");
  for (const [file, text] of pages) {
    if (file.endsWith(".1")) expect(text, file).toContain('.SH "EXIT STATUS"');
  }
});

test("groff has nothing to warn about", async () => {
  const pages = [...(await allPages("man")).values()].join("");
  // Without groff, at least no line may be taken for a macro that was not meant.
  const { error, stderr } = spawnSync("groff", ["-k", "-Tutf8", "-man", "-ww", "-z"], {
    input: pages,
    encoding: "utf8",
  });
  if (error === undefined) expect(stderr).toBe("");
  for (const line of pages.split("\n")) {
    if (/^[.']/.test(line)) expect(line).toMatch(/^\.(\\"|TH |SH |SS |PP$|TP$|IP |RS 4$|RE$|nf$|fi$)/);
  }
});

test("mandoc has nothing to warn about in any page", async () => {
  const files = [...(await allPages("man")).keys()].map((file) => `man/${file}`);
  const warnings = runIfThere("mandoc", ["-T", "lint", "-W", "warning", "-K", "utf-8", ...files]);
  if (warnings !== null) expect(warnings).toBe("");
});

test("every page and section that a page sends to is there, and each guide is sent to", async () => {
  const pages = await allPages("man");
  const texts = [...pages].map(([file, text]) => [file, text.replaceAll("\\-", "-")] as const);
  const named = new Set<string>();
  for (const [file, text] of texts)
    for (const [, page, section] of text.matchAll(/\b(estrato(?:-[a-z-]+)?)\((\d)\)/g)) {
      expect(pages.has(`${page}.${section}`), `${file}: ${page}(${section})`).toBe(true);
      if (!file.startsWith(`${page}.`)) named.add(`${page}.${section}`);
    }
  for (const file of pages.keys()) if (/\.[57]$/.test(file) && !file.includes(".es.")) expect(named).toContain(file);
});

test("every page says of which day it is and what to read next", async () => {
  for (const [file, text] of await allPages("man")) {
    expect(text, file).toMatch(/^\.TH \S+ \d "\d{4}-\d\d-\d\d" /m);
    expect(text, file).toMatch(/^\.SH "(SEE ALSO|VÉASE TAMBIÉN)"$/m);
  }
});

test("a guide's headings, lists, code and marks become roff", () => {
  const markdown = [
    "# estrato-concepts(7): what x is",
    "",
    "## First",
    "A **bold** word and `some-code`,",
    "on two lines.",
    "- one",
    "- two",
    "  goes on",
    "1. first",
    "```",
    ".not a macro",
    "```",
  ].join("\n");
  const page = guidePage(markdown, RELEASE);
  expect(page).toContain("estrato\\-concepts \\- what x is\n");
  expect(page).toContain('.SH "FIRST"\nA \\fBbold\\fR word and \\fBsome\\-code\\fR, on two lines.\n');
  expect(page).toContain('.IP "\\(bu" 4\none\n.IP "\\(bu" 4\ntwo goes on\n.IP "1." 4\nfirst\n');
  expect(page).toContain("\\&.not a macro\n");
});

test("a guide is a page of the section that its first line names", () => {
  expect(guidePage("# estrato-store(5): files", RELEASE)).toContain(
    '.TH ESTRATO\\-STORE 5 "2026-11-22" "estrato 1.0" "estrato"\n',
  );
  expect(guidePage("# estrato-concepts(7): things", RELEASE)).toContain(".TH ESTRATO\\-CONCEPTS 7 ");
});

test("a guide without its first line is refused", () => {
  expect(() => guidePage("## no title", RELEASE)).toThrow("A guide begins with");
});
