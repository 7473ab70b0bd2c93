/** `backup list --calendar`, drawn: a block for each month, a mark at each day. */
import type { DayMark, Month } from "../../core/backups/calendar.ts";
import type { Paint, Painter } from "../../ui/colour.ts";
import { flowed, printable } from "../../ui/text.ts";

const MARKS: Readonly<Record<DayMark, readonly [mark: string, paint: Paint]>> = {
  full: ["F", "green"],
  incremental: ["i", "green"],
  damaged: ["!", "red"],
  missed: ["-", "yellow"],
};
const DAYS = 7;
const WIDTH = DAYS * 4;
const GAP = "   ";

/** Side by side, as many as there is room for. `columns` null: one below the other. */
export function calendarText(months: readonly Month[], columns: number | null, painter: Painter): string {
  if (months.length === 0) return "";
  const beside = Math.max(1, Math.floor(((columns ?? 0) + GAP.length) / (WIDTH + GAP.length)));
  const text: string[] = [];
  for (let at = 0; at < months.length; at += beside) {
    const blocks = months.slice(at, at + beside).map((month) => blockOf(month, painter));
    const height = Math.max(...blocks.map(({ length }) => length));
    for (let line = 0; line < height; line += 1) {
      text.push(
        blocks
          .map((block) => block[line] ?? " ".repeat(WIDTH))
          .join(GAP)
          .trimEnd(),
      );
    }
    text.push("");
  }
  const marks = Object.entries(MARKS);
  const legend = flowed(
    marks.map(([word, [mark]]) => `${mark} ${word}`),
    marks.map(([word, [mark, paint]]) => `${painter(paint, mark)} ${word}`),
    columns,
  );
  return `${[...text, legend].join("\n")}\n`;
}

/** Lines that are WIDTH wide. */
function blockOf({ instance, year, month, days }: Month, painter: Painter): string[] {
  const first = new Date(year, month, 1);
  const title = `${printable(instance)}  ${year}-${String(month + 1).padStart(2, "0")}`;
  const cells = Array.from({ length: (first.getDay() + 6) % DAYS }, () => "    ");
  const last = new Date(year, month + 1, 0).getDate();
  for (let day = 1; day <= last; day += 1) {
    const found = days.get(day);
    const number = String(day).padStart(2);
    if (found === undefined) cells.push(`${painter("dim", number)}  `);
    else cells.push(`${number}${painter(MARKS[found][1], MARKS[found][0])} `);
  }
  while (cells.length % DAYS !== 0) cells.push("    ");
  const weeks = Array.from({ length: cells.length / DAYS }, (_, week) =>
    cells.slice(week * DAYS, (week + 1) * DAYS).join(""),
  );
  return [painter("bold", title.padEnd(WIDTH)), "Mo  Tu  We  Th  Fr  Sa  Su  ", ...weeks];
}
