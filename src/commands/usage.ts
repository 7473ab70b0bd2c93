import { notFound } from "../core/names.ts";
import { type HiddenLayer, readUsage, type Usage, type UsageRow } from "../core/usage.ts";
import { type ThingUsage, USAGE_NOUNS, type UsageNoun } from "../core/usage-of.ts";
import { EstratoError } from "../errors.ts";
import { keepHeapSmall } from "../small-heap.ts";
import { nested, size } from "../ui/output/columns.ts";
import { AMOUNT, listOf, object, oneOf, orNull, TEXT } from "../ui/output/shape.ts";
import { printable } from "../ui/text.ts";
import { humanSize } from "../units.ts";
import { placesIfAny, target } from "./backup/place.ts";
import { optional } from "./framework/arguments.ts";
import * as result from "./framework/result.ts";
import { verb } from "./framework/verb.ts";

interface Shown extends Usage {
  /** Of the noun that was named. */
  readonly things: readonly ThingUsage[];
}

const KIND = object({
  kind: oneOf("volumes", "snapshots", "images", "hidden", "total"),
  count: AMOUNT,
  virtual_bytes: orNull(AMOUNT),
  allocated_bytes: AMOUNT,
  exclusive_bytes: orNull(AMOUNT),
});
const HIDDEN = object({
  id: TEXT,
  fate: oneOf("kept", "deferred", "now"),
  reason: TEXT,
  by: listOf(TEXT),
  allocated_bytes: AMOUNT,
});
const THING = object({
  kind: oneOf(...USAGE_NOUNS),
  id: TEXT,
  name: TEXT,
  allocated_bytes: AMOUNT,
  exclusive_bytes: orNull(AMOUNT),
  waiting_bytes: AMOUNT,
  shared_bytes: AMOUNT,
});

const columns = [
  nested("kinds", ({ kinds }: Shown) => kinds.map(rowJson), listOf(KIND)),
  nested("hidden", ({ hidden }: Shown) => hidden.map(hiddenJson), listOf(HIDDEN)),
  size<Shown>("free_bytes", (usage) => usage.freeBytes),
  nested("things", ({ things }: Shown) => things, listOf(THING)),
];

export default verb({
  description:
    "Shows where the bytes are: what volumes, snapshots and images measure as guests see them, what the files of their layers take on " +
    "the disk, and what deleting all of a kind would free. Then the layers that nothing points at: those that others need, and those " +
    "that wait to be collected, with the reason; and files under hidden names, which commands write, or wrote when they were killed.\n\n" +
    "With a noun (instance, snapshot, image, volume, backup), each of its things, or one: what is its own, which deleting it would free; what " +
    "others read too; and what waits below it to be collected.",
  arguments: {
    noun: optional("NOUN", "instance, snapshot, image, volume or backup", { complete: USAGE_NOUNS }),
    target: optional("TARGET", "only this one", { complete: "of-noun" }),
  },
  options: { target },
  result: result.one(columns, { draw: ([usage], on) => (usage === undefined ? "" : drawnOn(usage, on)) }),
  changes: false,
  examples: [
    { line: "estrato usage", says: "for people" },
    { line: "estrato usage snapshot", says: "each snapshot, and what deleting it would free" },
    { line: "estrato usage --query hidden[].reason", says: "why some bytes are still there" },
  ],
  exits: { 2: "no such noun", 4: "there is no such thing" },
  async run({ args, options, world, factory }) {
    const noun = nounOf(args.noun);
    if (options.target !== null && noun !== "backup") {
      throw new EstratoError("usage", "usage: --target is of backups", { hint: "Leave it out, or say: usage backup." });
    }
    const core = await world();
    keepHeapSmall(Object.keys((await core.store.read()).layers).length);
    if (noun === null) return { ...(await readUsage(core)), things: [] };
    const of = await import("../core/usage-of.ts");
    const freeBytes = await core.host.freeBytes(core.store.paths.layersFolder);
    if (noun !== "backup") return { ...NOTHING, freeBytes, things: await of.usageOf(core, noun, args.target) };
    const { listBackups } = await import("../core/backups/list.ts");
    const backups = await listBackups(core, await placesIfAny(factory, core, options.target), {});
    const things = of.usageOfBackups(backups, args.target);
    if (things.length > 0 || args.target === null) return { ...NOTHING, freeBytes, things };
    throw notFound("backup", args.target);
  },
});

const NOTHING = { kinds: [], hidden: [] };

function nounOf(word: string | null): UsageNoun | null {
  const noun = USAGE_NOUNS.find((one) => one === word) ?? null;
  if (word === null || noun !== null) return noun;
  throw new EstratoError("usage", `usage ${JSON.stringify(word)}: unknown`, {
    hint: `Name one of ${USAGE_NOUNS.join(", ")}, or nothing.`,
  });
}

async function drawnOn(usage: Shown, on: result.Drawing): Promise<string> {
  if (usage.kinds.length > 0) return drawn(usage, on);
  return (await import("./usage-bars.ts")).barsOf(usage.things, on);
}

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

async function drawn(
  { kinds, hidden, freeBytes }: Usage,
  { painter, columns: width }: result.Drawing,
): Promise<string> {
  const bytes = (value: number | null) => (value === null ? "" : humanSize(value));
  const { drawTable } = await import("../ui/output/table.ts");
  const table = await drawTable(
    {
      headers: ["", "Count", "Virtual", "Allocated", "Exclusive"],
      aligns: ["left", "right", "right", "right", "right"],
      rows: kinds.map((row) => [
        row.kind,
        String(row.count),
        bytes(row.virtualBytes),
        bytes(row.allocatedBytes),
        bytes(row.exclusiveBytes),
      ]),
      paint: (_y, _x, text) => text,
      ...(width === null ? {} : { room: { width, ranks: [0, 3, 2, 1, 1] } }),
    },
    painter,
  );
  const notes = hidden.map(({ id, fate, reason, by, allocatedBytes }) => {
    const who = by.length === 0 ? "" : ` (${by.join(", ")})`;
    return printable(`${id}  ${humanSize(allocatedBytes)}  ${fate}: ${reason}${who}`);
  });
  return [table, "", `${humanSize(freeBytes)} free`, ...notes].map((line) => `${line.trimEnd()}\n`).join("");
}
