/** The pages of the guides, *.5 and *.7. */
import { type Block, parseGuide } from "../ui/markdown.ts";
import { BULLET, code, header, heading, inline, listItem, subheading } from "./roff.ts";

/** The page of a guide. Throws where its first line does not say what it is. */
export function guidePage(markdown: string, version: string): string {
  const { name, section, about, blocks } = parseGuide(markdown);
  const head = `${header(name, section, version)}${heading("Name")}${inline(`${name} - ${about}`)}\n`;
  return head + blocks.map(blockText).join("");
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
