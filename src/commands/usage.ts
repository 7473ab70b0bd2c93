import { type HiddenLayer, readUsage, type Usage, type UsageRow } from "../core/usage.ts";
import type { Painter } from "../ui/colour.ts";
import { nested, size } from "../ui/output/columns.ts";
import { printable } from "../ui/text.ts";
import { humanSize } from "../units.ts";
import * as result from "./framework/result.ts";
import { verb } from "./framework/verb.ts";

const columns = [
  nested<Usage>("kinds", ({ kinds }) => kinds.map(rowJson)),
  nested<Usage>("hidden", ({ hidden }) => hidden.map(hiddenJson)),
  size<Usage>("free_bytes", (usage) => usage.freeBytes),
];

export default verb({
  description:
    "Shows where the bytes are: what volumes, snapshots and images measure as guests see them, what the files of their layers take on " +
    "the disk, and what deleting all of a kind would free. Then the layers that nothing points at: those that others need, and those " +
    "that wait to be collected, with the reason; and files under hidden names, which commands write, or wrote when they were killed.",
  result: result.one(columns, { draw: ([usage], { painter }) => (usage === undefined ? "" : drawn(usage, painter)) }),
  changes: false,
  examples: [
    { line: "estrato usage", says: "for people" },
    { line: "estrato usage --query hidden[].reason", says: "why some bytes are still there" },
  ],
  async run({ world }) {
    return readUsage(await world());
  },
});

function rowJson({ kind, count, virtualBytes, allocatedBytes, exclusiveBytes }: UsageRow) {
  return {
    kind,
    count,
    virtual_bytes: virtualBytes,
    allocated_bytes: allocatedBytes,
    exclusive_bytes: exclusiveBytes,
  };
}

function hiddenJson({ id, fate, reason, by, allocatedBytes }: HiddenLayer) {
  return { id, fate, reason, by: [...by], allocated_bytes: allocatedBytes };
}

function drawn({ kinds, hidden, freeBytes }: Usage, painter: Painter): string {
  const bytes = (value: number | null) => (value === null ? "" : humanSize(value));
  const lines = [
    ["", "Count", "Virtual", "Allocated", "Exclusive"],
    ...kinds.map((row) => [
      row.kind,
      String(row.count),
      bytes(row.virtualBytes),
      bytes(row.allocatedBytes),
      bytes(row.exclusiveBytes),
    ]),
  ];
  const widths = (lines[0] ?? []).map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  const text = lines.map((line, at) => {
    const cells = line.map((cell, place) =>
      place === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[place] ?? 0),
    );
    return at === 0 ? painter("bold", cells.join("  ")) : cells.join("  ");
  });
  const notes = hidden.map(({ id, fate, reason, by, allocatedBytes }) => {
    const who = by.length === 0 ? "" : ` (${by.join(", ")})`;
    return printable(`${id}  ${humanSize(allocatedBytes)}  ${fate}: ${reason}${who}`);
  });
  return [...text, "", `${humanSize(freeBytes)} free`, ...notes].map((line) => `${line.trimEnd()}\n`).join("");
}
