/** `npm run torture -- fuzz`: throws inputs at each kind in turn, until so many are through or the time is up. */
import { parseArgs } from "node:util";
import { requireNoEscape } from "./lines.ts";
import { runBatch } from "./run.ts";
import { KINDS } from "./table.ts";
import { watched } from "./watchdog.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: `${Date.now() % 1_000_000}` },
    inputs: { type: "string" },
    minutes: { type: "string" },
    only: { type: "string" },
    path: { type: "string" },
    "keep-on": { type: "boolean", default: false },
  },
});

/** A batch has so many inputs at most, and takes so long. */
const BATCH = 20_000;
const BATCH_MS = 4000;
const WITHOUT_WISH = 5000;

const only = values.only?.split(",");
const unknown = only?.find((name) => KINDS.every((kind) => kind.name !== name));
if (unknown !== undefined) throw new Error(`no kind ${unknown}: there are ${KINDS.map(({ name }) => name).join(", ")}`);
const kinds = KINDS.filter(({ name }) => only === undefined || only.includes(name));
const perKind = Number(values.inputs ?? (values.minutes === undefined ? WITHOUT_WISH : Number.POSITIVE_INFINITY));
const began = performance.now();
const end = values.minutes === undefined ? Number.POSITIVE_INFINITY : began + Number(values.minutes) * 60_000;

const through = new Map(kinds.map(({ name }) => [name, 0]));
const failed = new Set<string>();
const isDue = ({ name }: { name: string }) =>
  (through.get(name) ?? 0) < perKind && (values["keep-on"] || !failed.has(name)) && performance.now() < end;

for (let seed = Number(values.seed); kinds.some(isDue); seed += 1) {
  for (const one of kinds.filter(isDue)) {
    const left = Math.min(BATCH, perKind - (through.get(one.name) ?? 0));
    const { inputs, failure } = await watched(`--only ${one.name} --seed ${seed}`, () =>
      runBatch(one, seed, left, BATCH_MS, values.path),
    );
    requireNoEscape();
    through.set(one.name, (through.get(one.name) ?? 0) + inputs);
    if (failure === null) continue;
    failed.add(one.name);
    console.log(`FAILED: ${one.name}: ${failure.why}\n${shown(failure.input)}`);
    console.log(`npm run torture -- fuzz --only ${one.name} --seed ${failure.seed} --path ${failure.path}\n`);
  }
  if (values.path !== undefined) break;
}

const counts = Object.fromEntries(through);
const inputs = [...through.values()].reduce((sum, count) => sum + count, 0);
const minutes = Math.round((performance.now() - began) / 600) / 100;
console.log(JSON.stringify({ seed: Number(values.seed), inputs, minutes, failed: [...failed], counts }));
process.exit(failed.size === 0 ? 0 : 1);

/** As JSON; bytes in base64. */
function shown(input: unknown): string {
  const plain = (value: unknown): unknown => {
    if (typeof value === "function") return value.name;
    const bytes = value as { readonly type?: string; readonly data?: number[] } | null;
    return bytes?.type === "Buffer" && bytes.data ? Buffer.from(bytes.data).toString("base64") : value;
  };
  const text = JSON.stringify(input, (_, value) => plain(value)) ?? "";
  return text.length > 2000 ? `${text.slice(0, 2000)}… (${text.length} characters)` : text;
}
