/** Writes the manual: `node dist/manual.js man`. An entry point of its own, so that the program does not carry it. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { guidePage } from "./manual/markdown.ts";
import { manualPages } from "./manual/pages.ts";
import { catalogue } from "./program.ts";

/** All pages that belong into `folder`: *.1 from the declarations, *.5 and *.7 from the guides that lie there. */
export async function allPages(folder: string, version: string): Promise<Map<string, string>> {
  const pages = new Map(await manualPages(catalogue, version));
  for (const file of readdirSync(folder).filter((name) => /\.[57]\.md$/.test(name))) {
    pages.set(file.slice(0, -".md".length), guidePage(readFileSync(join(folder, file), "utf8"), version));
  }
  return pages;
}

/** Writes them, and removes pages of what is no more. */
export async function writeManual(folder: string, version: string): Promise<void> {
  const pages = await allPages(folder, version);
  for (const file of readdirSync(folder)) {
    if (/\.[157]$/.test(file) && !pages.has(file)) rmSync(join(folder, file));
  }
  for (const [file, text] of pages) writeFileSync(join(folder, file), text);
}

const [, script, folder] = process.argv;
if (script?.endsWith("manual.js") && folder !== undefined) {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  await writeManual(folder, version);
}
