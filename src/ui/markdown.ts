/**
 * The small part of Markdown that the guides in man/*.5.md and *.7.md use: headings, paragraphs, lists, fenced code;
 * `code`, **bold** and *italics* stay in the text.
 */

export type Block =
  | { readonly kind: "heading"; readonly level: 2 | 3; readonly text: string }
  | { readonly kind: "paragraph"; readonly text: string }
  /** `number`: `1.`; null: a bullet. */
  | { readonly kind: "item"; readonly number: string | null; readonly text: string }
  | { readonly kind: "code"; readonly lines: readonly string[] };

export interface Guide {
  readonly name: string;
  readonly section: number;
  readonly about: string;
  readonly blocks: readonly Block[];
}

/** Its first line is `# NAME(7): what it is about`. Throws where it is not. */
export function parseGuide(markdown: string): Guide {
  const [first = "", ...rest] = markdown.split("\n");
  const [, name, section, about] = /^# ([\w-]+)\(([57])\)(?:: | - )(.+)$/.exec(first) ?? [];
  if (name === undefined || about === undefined)
    throw new Error(`A guide begins with "# NAME(7): about", not with: ${first}`);
  return { name, section: Number(section), about, blocks: blocksOf(rest) };
}

function blocksOf(lines: readonly string[]): Block[] {
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? "";
    const mark = /^\s*(?:(-)|(\d+\.))\s+(.*)$/.exec(line);
    const title = /^(##|###) (.*)$/.exec(line);
    if (line.startsWith("```")) {
      const end = indexFrom(lines, at + 1, (one) => one.startsWith("```"));
      blocks.push({ kind: "code", lines: lines.slice(at + 1, end) });
      at = end + 1;
    } else if (title !== null) {
      blocks.push({ kind: "heading", level: title[1] === "##" ? 2 : 3, text: title[2] ?? "" });
      at += 1;
    } else if (line.trim() === "") {
      at += 1;
    } else {
      const end = indexFrom(lines, at + 1, (one) => one.trim() === "" || /^(#|```|\s*-\s|\s*\d+\.\s)/.test(one));
      const text = [mark?.[3] ?? line, ...lines.slice(at + 1, end)].map((one) => one.trim()).join(" ");
      blocks.push(mark === null ? { kind: "paragraph", text } : { kind: "item", number: mark[2] ?? null, text });
      at = end;
    }
  }
  return blocks;
}

function indexFrom(lines: readonly string[], from: number, holds: (line: string) => boolean): number {
  const found = lines.findIndex((line, index) => index >= from && holds(line));
  return found < 0 ? lines.length : found;
}
