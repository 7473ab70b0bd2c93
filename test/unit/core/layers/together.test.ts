/**
 * Commands that end at the same time, each of which collects what no longer is pointed at; in every order of their
 * steps.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { createImageFromSnapshot } from "../../../../src/core/images/create-from-snapshot.ts";
import { deleteImage } from "../../../../src/core/images/delete.ts";
import { collect } from "../../../../src/core/layers/collect.ts";
import type { State } from "../../../../src/core/model/state.ts";
import { recoverAll } from "../../../../src/core/operations/recovery.ts";
import { createVolumeSnapshot } from "../../../../src/core/snapshots/create-volume.ts";
import { revertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import { EstratoError } from "../../../../src/errors.ts";
import { CLUSTER_BYTES, type Content } from "../../../fake/host.ts";
import { requireSound } from "../crashes.ts";
import { scheduled } from "../scheduled.ts";
import { type Bed, bed, command, contentsOf, creation, type Process, stateOf, take, withGuest } from "../world.ts";

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
    { numRuns: 200 },
  );
});

test("what an operation that has not ended may still need is not collected by another command", async () => {
  const recorded = async (step?: number): Promise<Process & { on: Bed }> => {
    const on = withGuest();
    await take(on, "s1");
    const world = command(on, step === undefined ? {} : { crash: { at: "step", index: step } });
    await revertSnapshot(world, "web1/s1", { discard: true, keepMs: 0 }).catch(() => undefined);
    return { ...world, on };
  };
  const { steps } = await recorded();
  const { on } = await recorded(steps.indexOf("after Record the revert"));
  expect(on.disk.journal.size).toBe(1);
  await collect(command(on)); // of one that began before the other died
  await recoverAll(command(on));
  await collect(command(on));
  await requireSound(on, "recovered");
});
