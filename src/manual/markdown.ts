/** The pages of the guides, *.5 and *.7. */
import { type Block, parseGuide } from "../ui/markdown.ts";
import { BULLET, code, escaped, header, heading, inline, joined, listItem, type Release, subheading } from "./roff.ts";

/** What stands above the first line of a page, by language. */
const NAME = { en: "Name", es: "Nombre" } as const;
export type Language = keyof typeof NAME;

/** The page of a guide. Throws where its first line does not say what it is. */
export function guidePage(markdown: string, release: Release, language: Language = "en"): string {
  const { name, section, about, blocks } = parseGuide(markdown);
  const top = `${header(name, section, release)}${heading(NAME[language])}`;
  return joined([top, `${escaped(name)} \\- ${inline(about)}\n`, ...blocks.map(blockText)]);
}

function blockText(block: Block): string {
  switch (block.kind) {
    case "heading":
      return block.level === 2 ? heading(block.text) : subheading(block.text);
    case "paragraph":
      return `.PP\n${inline(block.text)}\n`;
    case "item":
      return listItem(block.number ?? BULLET, block.text);
    case "code":
      return code(block.lines);
  }
}
