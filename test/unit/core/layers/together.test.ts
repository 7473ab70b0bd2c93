/** Commands that end at the same time, each of which collects what no longer is pointed at; in every order of their steps. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { createImageFromSnapshot } from "../../../../src/core/images/create-from-snapshot.ts";
import { deleteImage } from "../../../../src/core/images/delete.ts";
import { collect } from "../../../../src/core/layers/collect.ts";
import { createVolumeSnapshot } from "../../../../src/core/snapshots/create-volume.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import { EstratoError } from "../../../../src/errors.ts";
import type { State } from "../../../../src/store/schema.ts";
import { CLUSTER_BYTES, type Content } from "../../../fake/host.ts";
import { type Bed, bed, command, contentsOf, creation, type Process, stateOf } from "../world.ts";

const DEPTH = 5;

/** A volume with snapshots s0 to s4 above each other, each with a word of its own, and an image of each. */
async function tower(): Promise<Bed> {
  const on = bed();
  await createVolume(command(on), { name: "data", source: null, sizeBytes: 16 * CLUSTER_BYTES });
  for (let index = 0; index < DEPTH; index += 1) {
    const { volumes, layers } = await stateOf(on);
    const head = layers[Object.values(volumes)[0]?.head ?? ""]?.file ?? "";
    on.machine.files.get(head)?.clusters.set(index, `word ${index}`).set(DEPTH, `last of ${index}`);
    await createVolumeSnapshot(command(on), { ...creation(`s${index}`), volume: "data" });
    const image = { name: `i${index}`, properties: {}, minDiskBytes: null, minRamBytes: null, protect: false };
    await createImageFromSnapshot(command(on), { ...image, snapshot: `data/s${index}` });
  }
  return on;
}

/** As where a command has just recorded that nothing but these images is wanted, and the volume, or not even that. */
function leaveOnly(on: Bed, images: readonly string[], volume: boolean): void {
  const state = JSON.parse(on.disk.state ?? "") as State;
  const wanted = Object.entries(state.images).filter(([, { name }]) => images.includes(name));
  on.disk.state = JSON.stringify({
    ...state,
    snapshots: {},
    images: Object.fromEntries(wanted),
    ...(volume ? {} : { volumes: {} }),
  });
}

/** The process waits before each of these until the scheduler lets it go on. */
function scheduled(scheduler: fc.Scheduler, name: string, process: Process): Process {
  const { store, host } = process;
  const turn =
    <A extends unknown[], R>(work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await scheduler.schedule(Promise.resolve(), `${name} ${work.name}`);
      return work(...args);
    };
  store.read = turn(store.read);
  store.update = turn(store.update as (change: (draft: State) => unknown) => Promise<unknown>) as typeof store.update;
  store.lock = turn(store.lock);
  store.journal.open = turn(store.journal.open);
  store.journal.close = turn(store.journal.close);
  host.perform = turn(host.perform);
  return process;
}

async function images(on: Bed): Promise<Record<string, Record<string, Content>>> {
  const state = await stateOf(on);
  const found = Object.values(state.images).map(async ({ id, name }) => [name, await contentsOf(on, id)] as const);
  return Object.fromEntries(await Promise.all(found));
}

/** What each volume that was made from an image reads as, by the image's name. */
async function copies(on: Bed): Promise<Record<string, Content>> {
  const { volumes, layers } = await stateOf(on);
  const { host } = command(on);
  const found = Object.values(volumes).filter(({ name }) => name?.startsWith("of-"));
  return Object.fromEntries(found.map(({ name, head }) => [name?.slice(3), host.read(layers[head]?.file ?? "")]));
}

const NAMES = Array.from({ length: DEPTH }, (_, index) => `i${index}`);
const WORKS = ["collect", "delete", "make"] as const;
const work = fc.record({ does: fc.constantFrom(...WORKS), image: fc.constantFrom(...NAMES) });

function run(world: Process, { does, image }: { does: (typeof WORKS)[number]; image: string }): Promise<unknown> {
  if (does === "collect") return collect(world);
  if (does === "delete") return deleteImage(world, image);
  const source = { kind: "image", target: image, disk: null } as const;
  return createVolume(world, { name: `of-${image}`, source, sizeBytes: null });
}

test("commands that work on the same chains at once lose nothing, and leave nothing that cannot be ended", async () => {
  const works = fc.array(work, { minLength: 2, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.subarray(NAMES), fc.boolean(), works, async (scheduler, kept, volume, all) => {
      const on = await tower();
      leaveOnly(on, kept, volume);
      const before = await images(on);
      const processes = all.map((_, index) => scheduled(scheduler, `${index}`, command(on)));
      const ran = all.map(async (one, index) => {
        await run(processes[index] as Process, one).catch((error: unknown) => {
          const expected = error instanceof EstratoError && ["conflict", "not_found"].includes(error.code);
          if (!expected) throw error;
        });
      });
      await scheduler.waitFor(Promise.all(ran));
      expect(processes.flatMap(({ notes }) => notes).filter((note) => /not collected|undone/.test(note))).toEqual([]);
      await collect(command(on)); // who found a lock taken left it to the next command
      expect([...on.disk.journal.keys()]).toEqual([]);
      expect(await examine(command(on))).toEqual([]);
      expect(before).toMatchObject(await images(on));
      for (const [name, content] of Object.entries(await copies(on))) expect(content).toEqual(before[name]?.vda);
    }),
    { numRuns: 300 },
  );
});
