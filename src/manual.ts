/** Writes the manual: `node dist/manual.js man`. An entry point of its own, so that the program does not carry it. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { guidePage, type Language } from "./manual/markdown.ts";
import { manualPages } from "./manual/pages.ts";
import type { Release } from "./manual/roff.ts";
import { catalogue } from "./program.ts";

/** NAME.7.md, and in Spanish NAME.es.7.md. */
const GUIDE = /^[\w-]+(?:\.(?<language>es))?\.[57]\.md$/;
const PAGE = /^[\w-]+(?:\.es)?\.[157]$/;

/** What the pages in `folder` are of: the package's version, with the day that the changelog has for it. */
function releaseOf(folder: string): Release {
  const { version } = JSON.parse(readFileSync(join(dirname(folder), "package.json"), "utf8")) as { version: string };
  const changelog = readFileSync(join(dirname(folder), "CHANGELOG.md"), "utf8");
  const [, date] = new RegExp(`^## \\[${version.replaceAll(".", "\\.")}\\] - (\\S+)$`, "m").exec(changelog) ?? [];
  if (date === undefined) throw new Error(`CHANGELOG.md: no date of version ${version}`);
  return { version, date };
}

/** All pages that belong into `folder`: *.1 from the declarations, *.5 and *.7 from the guides that lie there. */
export async function allPages(folder: string): Promise<Map<string, string>> {
  const release = releaseOf(folder);
  const pages = new Map(await manualPages(catalogue, release));
  for (const file of readdirSync(folder)) {
    const guide = GUIDE.exec(file);
    if (guide === null) continue;
    const language = (guide.groups?.language ?? "en") as Language;
    pages.set(file.slice(0, -".md".length), guidePage(readFileSync(join(folder, file), "utf8"), release, language));
  }
  return pages;
}

/** Writes them, removes pages of what is no more, and names all of them in the package, as npm installs them. */
async function writeManual(folder: string): Promise<void> {
  const pages = await allPages(folder);
  for (const file of readdirSync(folder)) {
    if (PAGE.test(file) && !pages.has(file)) rmSync(join(folder, file));
  }
  for (const [file, text] of pages) writeFileSync(join(folder, file), text);
  const own = JSON.parse(readFileSync(join(dirname(folder), "package.json"), "utf8")) as object;
  const man = [...pages.keys()].sort().map((file) => `man/${file}`);
  writeFileSync(join(dirname(folder), "package.json"), `${JSON.stringify({ ...own, man }, null, 2)}\n`);
}

const [, script, folder] = process.argv;
if (script?.endsWith("manual.js") && folder !== undefined) await writeManual(folder);
