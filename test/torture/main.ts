/** `npm run torture`, inside a bed: walks of one seed after the other, until the time is up or one has failed. */
import { parseArgs } from "node:util";
import { requireFaults } from "./faults/table.ts";
import { load } from "./load.ts";
import type { Scene } from "./scene.ts";
import { shrink, told } from "./shrink.ts";
import { type Walked, type Wish, walk } from "./walk.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string", default: `${Date.now() % 1_000_000}` },
    steps: { type: "string", default: "150" },
    minutes: { type: "string" },
    only: { type: "string" },
    others: { type: "string", default: "25" },
    faults: { type: "string", default: "20" },
    strikes: { type: "string" },
    "shrink-minutes": { type: "string", default: "5" },
    schedules: { type: "string", default: "1000" },
    "keep-on": { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});

const strikes = values.strikes === undefined ? undefined : new Set(values.strikes.split(","));
requireFaults([...(strikes ?? [])]);
const scratch = process.env.ESTRATO_BED_DIR;
if (scratch === undefined) throw new Error("a walk goes in a test host only: npm run torture");
if (positionals[0] === "load") {
  const wished = {
    seed: Number(values.seed),
    parts: positionals.slice(1),
    schedules: Number(values.schedules),
  };
  const wrong = await load(scratch, wished, (line) => console.log(line));
  for (const line of wrong) console.log(line);
  process.exit(wrong.length === 0 ? 0 : 1);
}
const began = performance.now();
const end = values.minutes === undefined ? null : performance.timeOrigin + began + Number(values.minutes) * 60_000;

const total = {
  seeds: 0,
  steps: 0,
  done: 0,
  refused: 0,
  others: 0,
  struck: 0,
  heals: 0,
  persons: 0,
  compared: 0,
  bytes: 0,
};
const moves = new Map<string, number>();
const faults = new Map<string, number>();

function add({ scene }: Walked): void {
  total.seeds += 1;
  count(scene);
  if (scene.borrower !== null) count(scene.borrower);
}

function count(scene: Scene): void {
  for (const key of ["steps", "done", "refused", "others", "struck", "heals", "persons"] as const)
    total[key] += scene.counts[key];
  total.compared += scene.comparer.compared;
  total.bytes += scene.comparer.bytes;
  for (const [name, count] of scene.moves) moves.set(name, (moves.get(name) ?? 0) + count);
  for (const [name, count] of scene.faults) faults.set(name, (faults.get(name) ?? 0) + count);
}

async function one(seed: number): Promise<boolean> {
  const wish: Wish = {
    seed,
    steps: Number(values.steps),
    otherPercent: Number(values.others),
    faultPercent: Number(values.faults),
    ...(values.only === undefined ? {} : { only: new Set(values.only.split(",").map(Number)) }),
    ...(end === null ? {} : { until: end }),
    ...(strikes === undefined ? {} : { strikes }),
    ...(values.verbose ? { say: (line: string) => console.log(line) } : {}),
  };
  const walked = await walk(scratch as string, wish);
  add(walked);
  if (walked.wrong.length === 0) return true;
  console.log(`FAILED: seed ${seed}, step ${walked.scene.step}\n${walked.wrong.join("\n")}`);
  const shrinkMs = Number(values["shrink-minutes"]) * 60_000;
  const least =
    shrinkMs > 0
      ? await shrink((less) => walk(scratch as string, less), wish, walked, performance.now() + shrinkMs)
      : null;
  console.log(told(wish, least ?? { only: [...Array(walked.scene.step + 1).keys()], walked }));
  return false;
}

let failed = 0;
for (let seed = Number(values.seed); ; seed += 1) {
  if (!(await one(seed))) failed += 1;
  if (failed > 0 && !values["keep-on"]) break;
  if (end === null || performance.timeOrigin + performance.now() > end) break;
}
const sorted = (map: Map<string, number>) => Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
console.log(
  JSON.stringify({
    bed: process.env.ESTRATO_BED_GEN,
    ...total,
    minutes: Math.round((performance.now() - began) / 600) / 100,
    failed,
    moves: sorted(moves),
    faults: sorted(faults),
  }),
);
process.exit(failed === 0 ? 0 : 1);
