/**
 * The small part of Markdown that the guides in man/*.5.md and *.7.md use: headings, paragraphs, lists, fenced code,
 * `code`, **bold**, *italics*.
 */
import { BULLET, code, escaped, header, heading, inline, joined, listItem, type Release, subheading } from "./roff.ts";

/** What stands above the first line of a page, by language. */
const NAME = { en: "Name", es: "Nombre" } as const;
export type Language = keyof typeof NAME;

/** The page of a guide, *.5 or *.7. Its first line is `# NAME(7): what it is about`. Throws where it is not. */
export function guidePage(markdown: string, release: Release, language: Language = "en"): string {
  const [first = "", ...rest] = markdown.split("\n");
  const [, name, section, about] = /^# ([\w-]+)\(([57])\)(?:: | - )(.+)$/.exec(first) ?? [];
  if (name === undefined || about === undefined)
    throw new Error(`A guide begins with "# NAME(7): about", not with: ${first}`);
  const top = `${header(name, Number(section), release)}${heading(NAME[language])}`;
  return joined([top, `${escaped(name)} \\- ${inline(about)}\n`, blocks(rest)]);
}

function blocks(lines: readonly string[]): string {
  const out: string[] = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? "";
    const mark = /^\s*(?:(-)|(\d+\.))\s+(.*)$/.exec(line);
    if (line.startsWith("```")) {
      const end = indexFrom(lines, at + 1, (one) => one.startsWith("```"));
      out.push(code(lines.slice(at + 1, end)));
      at = end + 1;
    } else if (line.startsWith("### ")) {
      out.push(subheading(line.slice(4)));
      at += 1;
    } else if (line.startsWith("## ")) {
      out.push(heading(line.slice(3)));
      at += 1;
    } else if (line.trim() === "") {
      at += 1;
    } else {
      const end = indexFrom(lines, at + 1, (one) => one.trim() === "" || /^(#|```|\s*-\s|\s*\d+\.\s)/.test(one));
      const text = [mark?.[3] ?? line, ...lines.slice(at + 1, end)].map((one) => one.trim()).join(" ");
      out.push(
        mark === null ? `.PP\n${inline(text)}\n` : listItem(mark[1] === undefined ? (mark[2] ?? "") : BULLET, text),
      );
      at = end;
    }
  }
  return out.join("");
}

function indexFrom(lines: readonly string[], from: number, holds: (line: string) => boolean): number {
  const found = lines.findIndex((line, index) => index >= from && holds(line));
  return found < 0 ? lines.length : found;
}
