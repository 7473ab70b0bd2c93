/**
 * What a verb that lists does grows with what is there, and no faster. Its steps are counted, by V8, and not timed:
 * how often each function and each block of the program ran.
 */
import { type Profiler, Session } from "node:inspector/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Bed } from "../core/world.ts";

// Before anything of the program is there: V8 counts in what it compiles from now on.
const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
const { fakeClock } = await import("../../fake/clock.ts");
const { newEstate } = await import("../core/instances/world.ts");
const { stateOf, TARGET } = await import("../core/world.ts");
const { printed, run } = await import("./estate.ts");
const { catalogue } = await import("../../../src/program.ts");
const { withChange } = await import("../../../src/core/model/drafts.ts");
const { dropSnapshots } = await import("../../../src/core/snapshots/drop.ts");

const FEW = 10;
const MANY = 4 * FEW;
/** Four times as much, and a little for what depends on the lengths of names, and for trees that are searched. */
const MOST = 5;

const LINES = [
  "usage",
  "usage instance",
  "usage snapshot",
  "doctor",
  "check",
  ...["instance", "snapshot", "volume", "image", "backup", "event", "schedule", "flavor", "keypair", "network"].flatMap(
    (noun) => [`${noun} list`, `${noun} list -f json`],
  ),
  "snapshot list -f value -c name",
  "backup list --calendar",
  "backup prune --keep-last 5 --dry-run",
  "instance show vm0",
  "instance top",
  "instance ssh-config",
  "snapshot create vm0 -q",
  "snapshot delete vm1/second -y --dry-run",
  "snapshot tree vm0",
  ...["instance", "snapshot", "volume", "image", "backup", "schedule", "flavor", "keypair"].map(
    (noun) => `__complete ${noun} show `,
  ),
  "__complete snapshot list --filter name=",
];
/** Lists of what grows with nothing, and of what a guest has. */
const OTHERS = ["snapshot files", "backup files", "config list", "config path"];

/** The schedules have not run, and the program that they start is not on that host: `check` and `doctor` say so. */
const EXITS = [0, 2, 9];

const beds = new Map<number, Bed>();

/** As many guests, each with two snapshots, a second volume, an image, a backup and a schedule of its own. */
async function bedOf(count: number): Promise<Bed> {
  const on: Bed = { ...newEstate(), clock: fakeClock() };
  on.machine.folders.add(TARGET);
  for (let index = 0; index < count; index += 1) {
    for (const line of [
      `instance create vm${index} --image debian12 --vcpus 1 --ram 256M --no-start`,
      `volume create data${index} --size 1M`,
      `snapshot create vm${index} first`,
      `snapshot create vm${index} second`,
      `image create image${index} --from-snapshot vm${index}/first`,
      `backup vm${index} --rotation 9 --target ${TARGET}`,
      `schedule create nightly${index} --snapshot vm${index} --cron 0·3·*·*·* --rotation 2`,
      `flavor create flavor${index} --vcpus 1 --ram 64M --disk 16M`,
      `keypair create key${index} -q`,
    ]) {
      on.clock.advance(60_000);
      await printed(on, line);
    }
  }
  return on;
}

beforeAll(async () => {
  for (const count of [FEW, MANY]) {
    const bed = await bedOf(count);
    await printed(bed, "snapshot list"); // the state is validated once
    beds.set(count, bed);
  }
});

afterAll(async () => {
  await session.post("Profiler.stopPreciseCoverage");
  session.disconnect();
});

/** How often functions and blocks of the program ran while it carried out the line. */
const stepsOf = (on: Bed, line: string) => stepsIn(async () => expect(EXITS).toContain((await run(on, line)).exit));

async function stepsIn(work: () => unknown): Promise<number> {
  await session.post("Profiler.takePreciseCoverage"); // counts begin anew
  await work();
  const { result } = (await session.post("Profiler.takePreciseCoverage")) as Profiler.TakePreciseCoverageReturnType;
  const counts = result
    .filter(({ url }) => /\/(src|node_modules\/(?!@?vite))/.test(url))
    .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges.map(({ count }) => count)));
  return counts.reduce((sum, count) => sum + count, 0);
}

test("every verb that lists is among them", async () => {
  const lists: string[] = [];
  for (const [name, entry] of Object.entries(catalogue)) {
    const verbs =
      "noun" in entry ? Object.entries((await entry.noun()).default.verbs) : [["", { load: entry.verb }] as const];
    for (const [word, { load }] of verbs)
      if ((await load()).default.result.shape === "list") lists.push(`${name} ${word}`.trim());
  }
  const isMeasured = (verb: string) => LINES.some((line) => `${line} `.startsWith(`${verb} `));
  expect(lists.length).toBeGreaterThan(10);
  expect(lists.filter((verb) => !isMeasured(verb))).toEqual(OTHERS);
});

test.each(LINES)("%s does no more than what is there asks for", async (line) => {
  const [few, many] = [beds.get(FEW) as Bed, beds.get(MANY) as Bed];
  await stepsOf(few, line); // what is loaded and remembered at the first time
  const steps = [await stepsOf(few, line), await stepsOf(many, line)] as const;
  expect(steps[0]).toBeGreaterThan(100);
  expect(steps[1] / steps[0]).toBeLessThan(MOST);
});

test("forgetting all snapshots goes through the tables once", async () => {
  const stepsFor = async (count: number) => {
    const state = await stateOf(beds.get(count) as Bed);
    return stepsIn(() => withChange(state, (draft) => dropSnapshots(draft, Object.keys(state.snapshots))));
  };
  await stepsFor(FEW);
  const steps = [await stepsFor(FEW), await stepsFor(MANY)] as const;
  expect(steps[0]).toBeGreaterThan(100);
  expect(steps[1] / steps[0]).toBeLessThan(MOST);
});
