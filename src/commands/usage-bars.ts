/** `usage NOUN`: a line for each thing, with a bar. */
import type { ThingUsage } from "../core/usage-of.ts";
import { drawTable } from "../ui/output/table.ts";
import { flowed, printable } from "../ui/text.ts";
import { humanSize } from "../units.ts";
import type { Drawing } from "./framework/result.ts";

const BAR = 12;
const PARTS = [
  ["exclusive_bytes", "█"],
  ["shared_bytes", "▒"],
  ["waiting_bytes", "░"],
] as const;

/** The longest bar is the largest thing's. */
export async function barsOf(things: readonly ThingUsage[], { painter, columns }: Drawing): Promise<string> {
  if (things.length === 0) return "";
  const largest = Math.max(1, ...things.map(({ allocated_bytes: bytes }) => bytes));
  const rows = things.map((one) => [
    printable(one.name),
    barOf(one, largest),
    ...PARTS.map(([key]) => (one[key] === null ? "?" : humanSize(one[key]))),
    humanSize(one.allocated_bytes),
  ]);
  const table = await drawTable(
    {
      headers: ["Name", "", "Exclusive", "Shared", "Waiting", "Allocated"],
      aligns: ["left", "left", "right", "right", "right", "right"],
      rows,
      paint: (_y, x, text) => (x === 1 ? painter("cyan", text) : text),
      ...(columns === null ? {} : { room: { width: columns, ranks: [0, 1, 1, 2, 4, 3] } }),
    },
    painter,
  );
  const legend = ["█ its own, freed when it is deleted", "▒ shared", "░ waits to be collected"];
  return `${table}\n${flowed(legend, legend, columns)}\n`;
}

/** Parts are rounded up: what is there is seen. */
function barOf(thing: ThingUsage, largest: number): string {
  const cells = PARTS.map(([key, mark]) => mark.repeat(Math.ceil(((thing[key] ?? 0) / largest) * BAR)));
  return [...cells.join("")].slice(0, BAR).join("");
}
