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
const { TARGET } = await import("../core/world.ts");
const { printed } = await import("./estate.ts");

const FEW = 10;
const MANY = 4 * FEW;
/** Four times as much, and a little for what depends on the lengths of names, and for trees that are searched. */
const MOST = 5;

const LINES = [
  "usage",
  "usage instance",
  "doctor",
  "check",
  ...["instance", "snapshot", "volume", "image", "backup", "event"].map((noun) => `${noun} list -f json`),
  "snapshot list -f value -c name",
  "volume list",
  "schedule list",
  "instance show vm0",
  "snapshot create vm0 -q",
  "snapshot delete vm1/second -y --dry-run",
  "snapshot tree vm0",
];

const beds = new Map<number, Bed>();

/** As many guests, each with two snapshots, a second volume, an image and a backup of its own. */
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
    ]) {
      on.clock.advance(60_000);
      await printed(on, line);
    }
  }
  return on;
}

beforeAll(async () => {
  for (const count of [FEW, MANY]) beds.set(count, await bedOf(count));
});

afterAll(async () => {
  await session.post("Profiler.stopPreciseCoverage");
  session.disconnect();
});

/** How often functions and blocks of the program ran while it carried out the line. */
async function stepsOf(on: Bed, line: string): Promise<number> {
  await session.post("Profiler.takePreciseCoverage"); // counts begin anew
  await printed(on, line);
  const { result } = (await session.post("Profiler.takePreciseCoverage")) as Profiler.TakePreciseCoverageReturnType;
  const counts = result
    .filter(({ url }) => /\/(src|node_modules\/(?!@?vite))/.test(url))
    .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges.map(({ count }) => count)));
  return counts.reduce((sum, count) => sum + count, 0);
}

test.each(LINES)("%s does no more than what is there asks for", async (line) => {
  const [few, many] = [beds.get(FEW) as Bed, beds.get(MANY) as Bed];
  await stepsOf(few, line); // what is loaded and remembered at the first time
  const steps = [await stepsOf(few, line), await stepsOf(many, line)] as const;
  expect(steps[0]).toBeGreaterThan(100);
  expect(steps[1] / steps[0]).toBeLessThan(MOST);
});
