/** How help is laid out: wrapped to the terminal by commander's Help. */

/** `left` and what it means. */
export type Row = readonly [left: string, right: string];

export interface Layout {
  /** Paragraphs, parted by an empty line. */
  paragraphs(text: string): string;
  /** A title, and rows below it; "" where there are none. */
  section(title: string, rows: readonly Row[]): string;
  /** Words in lines, indented. */
  words(words: readonly string[]): string;
  /** An item of a list. */
  item(mark: string, text: string): string;
}

/** Wider lines are hard to read, and what is narrower breaks every other word. */
const WIDEST = 100;
const IN_A_PIPE = 80;
const NARROWEST = 30;
/** What a left column takes at most: longer ones have a line of their own. */
const WIDEST_LEFT = 34;
const LEAST_RIGHT = 24;
const INDENT = "  ";

/** `columns`: of the terminal; null where there is none. */
export async function layoutFor(columns: number | null): Promise<Layout> {
  const { Help } = await import("commander");
  const help = new Help();
  help.minWidthToWrap = 1;
  const width = Math.max(NARROWEST, Math.min(columns ?? IN_A_PIPE, WIDEST));
  const wrapped = (text: string, room: number): string[] =>
    help.boxWrap(text.trim().replaceAll(/\s+/g, " "), room).split("\n");

  function item(mark: string, text: string, leftWidth: number): string[] {
    const [first = "", ...more] = wrapped(text, width - leftWidth);
    const indent = " ".repeat(leftWidth);
    const isLong = INDENT.length + mark.length + 1 > leftWidth;
    const head = isLong ? [INDENT + mark, indent + first] : [(INDENT + mark).padEnd(leftWidth) + first];
    return [...head.map((line) => line.trimEnd()), ...more.map((line) => indent + line)];
  }

  return {
    paragraphs: (text) =>
      text
        .split(/\n\s*\n/)
        .map((paragraph) => `${wrapped(paragraph, width).join("\n")}\n`)
        .join("\n"),
    section(title, rows) {
      if (rows.length === 0) return "";
      const longest = Math.max(...rows.map(([left]) => left.length));
      const room = Math.min(WIDEST_LEFT, longest, Math.max(2, width - LEAST_RIGHT - 2 * INDENT.length));
      const lines = rows.flatMap(([left, right]) => item(left, right, room + 2 * INDENT.length));
      return `\n${title}\n${lines.join("\n")}\n`;
    },
    words: (words) =>
      wrapped(words.join(" "), width - INDENT.length)
        .map((line) => `${INDENT}${line}\n`)
        .join(""),
    item: (mark, text) => `${item(mark, text, INDENT.length + mark.length + 1).join("\n")}\n`,
  };
}
