import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { allExamples } from "./examples.ts";

const translated = readdirSync("man").filter((file) => file.endsWith(".es.7.md"));

/** What each block of a page is, one letter for each: heading, code, item of a list, paragraph. */
function shape(markdown: string): string {
  const letters = markdown.split("\n").map((line, index, lines) => {
    if (line.startsWith("```")) return "c";
    const isCode = lines.slice(0, index).filter((one) => one.startsWith("```")).length % 2 === 1;
    if (isCode || line === "") return "";
    return line.startsWith("#") ? "h" : line.startsWith("- ") ? "i" : "p";
  });
  return letters.join("");
}

test("tutorial and concepts are there in Spanish", () => {
  expect(translated).toEqual(["estrato-concepts.es.7.md", "estrato-tutorial.es.7.md"]);
});

test("a translation has the same commands in the same order, and the same headings, lists and blocks", async () => {
  const examples = await allExamples();
  const linesOf = (file: string) => examples.filter(({ from }) => from === `man/${file}`).map(({ line }) => line);
  for (const file of translated) {
    const english = file.replace(".es.", ".");
    expect(linesOf(file).length, file).toBeGreaterThan(10);
    expect(linesOf(file), file).toEqual(linesOf(english));
    expect(shape(readFileSync(`man/${file}`, "utf8")), file).toBe(shape(readFileSync(`man/${english}`, "utf8")));
  }
});

test("what a translation sends to within another page is a heading of that page's translation", () => {
  for (const file of translated)
    for (const [, page, heading] of readFileSync(`man/${file}`, "utf8").matchAll(
      /(estrato-[a-z-]+)\(7\), ([A-ZÁÉÍÓÚÑ ]{5,}),/g,
    )) {
      const other = `man/${page}.es.7.md`;
      expect(existsSync(other), other).toBe(true);
      expect(readFileSync(other, "utf8")).toContain(`## ${heading}\n`);
    }
});
