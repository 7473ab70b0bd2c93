/**
 * Commands that end at the same time, each of which collects what no longer is pointed at; in every order of their
 * steps.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { createImageFromSnapshot } from "../../../../src/core/images/create-from-snapshot.ts";
import { deleteImage } from "../../../../src/core/images/delete.ts";
import { rebuildInstance } from "../../../../src/core/instances/rebuild.ts";
import { collect } from "../../../../src/core/layers/collect.ts";
import type { Snapshot, State } from "../../../../src/core/model/state.ts";
import { recoverAll } from "../../../../src/core/operations/recovery.ts";
import { createVolumeSnapshot } from "../../../../src/core/snapshots/create-volume.ts";
import { type Reverted, revertSnapshot, unrevertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { attachVolume } from "../../../../src/core/volumes/attach.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import { EstratoError } from "../../../../src/errors.ts";
import { CLUSTER_BYTES, type Content } from "../../../fake/host.ts";
import { requireSound } from "../crashes.ts";
import { keep, made } from "../instances/rebuilding.ts";
import { scheduled } from "../scheduled.ts";
import {
  type Bed,
  bed,
  command,
  contentsOf,
  creation,
  disksOf,
  type Process,
  start,
  stateOf,
  stop,
  take,
  UUID,
  withGuest,
  write,
} from "../world.ts";

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

const FOR_GOOD = { discard: true, keepMs: 0 };
const KEPT = { discard: false, keepMs: 3_600_000 };

/** A guest with s1 to s4 above each other, which has left all but s1 behind. Each goes into the larger one below it. */
async function branch(running: boolean): Promise<Bed> {
  const on = withGuest();
  for (const [index, name] of ["s1", "s2", "s3", "s4"].entries()) {
    for (let at = index; at < 4; at += 1) write(on, 3 + at, `${name} ${at}`);
    await take(on, name);
  }
  write(on, 8, "left behind");
  await revertSnapshot(command(on), "web1/s1", KEPT);
  await (running ? start : stop)(on).catch(() => undefined);
  return on;
}

/** The same of a volume, with s1 to s3. */
async function volumesBranch(): Promise<Bed> {
  const on = bed();
  await createVolume(command(on), { name: "data", source: null, sizeBytes: 16 * CLUSTER_BYTES });
  for (const [index, name] of ["s1", "s2", "s3"].entries()) {
    for (let at = index; at < 3; at += 1) on.machine.files.get(await headFile(on))?.clusters.set(at, name);
    await createVolumeSnapshot(command(on), { ...creation(name), volume: "data" });
  }
  await revertSnapshot(command(on), "data/s1", FOR_GOOD);
  return on;
}

/** Of the only volume. */
async function headFile(on: Bed): Promise<string> {
  const { volumes, layers } = await stateOf(on);
  return layers[Object.values(volumes)[0]?.head ?? ""]?.file ?? "";
}

/** What comes to stand on a branch on which no head stands, and what it then reads as: a snapshot's content. */
const RETURNS: Record<string, (world: Process) => Promise<unknown>> = {
  "web1/s3": (world) => revertSnapshot(world, "web1/s3", FOR_GOOD),
  "web1/s4": (world) => revertSnapshot(world, "web1/s4", KEPT),
  unrevert: (world) => unrevertSnapshot(world, "web1", KEPT),
  sysprep: (world) => createImageFromSnapshot(world, { ...IMAGE, snapshot: "web1/s4", sysprep: true }),
};
const IMAGE = { name: "golden", properties: {}, minDiskBytes: null, minRamBytes: null, protect: false };

async function allTogether(scheduler: fc.Scheduler, works: readonly (() => Promise<unknown>)[]): Promise<boolean[]> {
  const ran = works.map((one) =>
    one().then(
      () => true,
      (error: unknown) => {
        if (error instanceof EstratoError && error.code === "conflict") return false;
        throw error;
      },
    ),
  );
  return scheduler.waitFor(Promise.all(ran));
}

/** As where a command has just recorded that these snapshots are gone, and has let go of their instance. */
async function dropped(on: Bed, names: readonly string[]): Promise<void> {
  const { store } = command(on);
  const gone = Object.values((await stateOf(on)).snapshots).filter(({ name }) => names.includes(name));
  await store.update((draft) => {
    for (const { id } of gone) delete draft.snapshots[id];
  });
  for (const { definition } of gone) if (definition !== null) await store.removeRecord(definition);
}

test("what comes back to a branch without a head waits for its merges, and none begins under it", async () => {
  const how = fc.record({
    back: fc.constantFrom(...Object.keys(RETURNS)),
    gone: fc.subarray(["s2", "s3"], { minLength: 1 }),
    running: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), how, async (scheduler, { back, gone, running }) => {
      const on = await branch(running);
      const loose = gone.filter((name) => back !== `web1/${name}`);
      await dropped(on, loose);
      const state = await stateOf(on);
      const wanted = Object.values(state.snapshots).find(({ id, name }) =>
        back === "unrevert" ? state.instances[UUID]?.undo === id : back === `web1/${name}`,
      );
      const content = wanted === undefined ? null : await contentsOf(on, wanted.id);
      const process = (name: string) => scheduled(scheduler, name, command(on));
      const works = [() => RETURNS[back]?.(process("back")) as Promise<unknown>, () => collect(process("collect"))];
      const [isBack] = await allTogether(scheduler, works);
      await collect(command(on));
      expect([...on.disk.journal.keys()]).toEqual([]);
      expect(await examine(command(on))).toEqual([]);
      if (isBack && content !== null) expect(await disksOf(on)).toEqual(content);
      await requireSound(on, back);
    }),
    { numRuns: 100 },
  );
});

test("the same of a volume", async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      const on = await volumesBranch();
      await dropped(on, ["s2"]);
      const back = () => revertSnapshot(scheduled(scheduler, "back", command(on)), "data/s3", FOR_GOOD);
      const [isBack] = await allTogether(scheduler, [
        back,
        () => collect(scheduled(scheduler, "collect", command(on))),
      ]);
      await collect(command(on));
      expect([...on.disk.journal.keys()]).toEqual([]);
      expect(await examine(command(on))).toEqual([]);
      if (isBack) expect(command(on).host.read(await headFile(on))).toEqual({ 0: "s1", 1: "s2", 2: "s3" });
    }),
    { numRuns: 50 },
  );
});

describe("a guest that somebody starts while its command waits for a merge", () => {
  /** As where another command merges this layer; while it is waited for, `start` starts the guest, which writes. */
  async function meanwhile(on: Bed, layer: string): Promise<Process> {
    const mark = (busy: string | null) =>
      command(on).store.update((draft) => {
        const marked = draft.layers[layer];
        if (marked !== undefined) marked.busy = busy;
      });
    await mark("op-00000000000000000");
    const sleep = async () => {
      await start(on);
      write(on, 9, "since");
      await mark(null);
    };
    return { ...command(on), clock: { ...on.clock, sleep } };
  }

  const works: [string, () => Promise<Bed>, (on: Bed) => Promise<string>, (world: Process) => Promise<unknown>][] = [
    [
      "revert",
      () => branch(false),
      async (on) => (await snapshotOf(on, "s2")).disks[0]?.layer ?? "",
      (world) => revertSnapshot(world, "web1/s4", KEPT),
    ],
    ["rebuild", () => made(false), async () => "lay-debian12-vda", (world) => rebuildInstance(world, "web1", keep)],
  ];

  test.each(works)("loses nothing by a %s, and runs on what it goes back to", async (_, make, layerOf, work) => {
    const on = await make();
    const disks = await disksOf(on);
    const world = await meanwhile(on, await layerOf(on));
    const { kept } = (await work(world)) as Reverted;
    expect(await contentsOf(on, kept?.id ?? "")).toEqual({ vda: { ...disks.vda, 9: "since" } });
    expect(on.machine.domains.get(UUID)?.state).toBe("running");
    expect((await disksOf(on)).vda?.[9]).toBeUndefined();
    expect(await examine(command(on))).toEqual([]);
    await requireSound(on, "waited");
  });

  test("keeps its volume from being reverted", async () => {
    const on = withGuest({ running: false });
    await createVolume(command(on), { name: "data", source: null, sizeBytes: 16 * CLUSTER_BYTES });
    for (const name of ["s1", "s2"]) await createVolumeSnapshot(command(on), { ...creation(name), volume: "data" });
    await attachVolume(command(on), "web1", "data");
    const world = await meanwhile(on, (await snapshotOf(on, "s1")).disks[0]?.layer ?? "");
    await expect(revertSnapshot(world, "data/s2", FOR_GOOD)).rejects.toMatchObject({
      code: "conflict",
      message: "volume data: web1 runs with it",
    });
    expect(await examine(command(on))).toEqual([]);
  });
});

async function snapshotOf(on: Bed, name: string): Promise<Snapshot> {
  const found = Object.values((await stateOf(on)).snapshots).find((one) => one.name === name);
  if (found === undefined) throw new Error(`no snapshot ${name}`);
  return found;
}

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

test("nothing moves below a head that is made and is no volume's yet", async () => {
  const below = async (step?: number) => {
    const on = await branch(false);
    await dropped(on, ["s2"]);
    const world = command(on, step === undefined ? {} : { crash: { at: "step", index: step } });
    await revertSnapshot(world, "web1/s4", FOR_GOOD).catch(() => undefined);
    return { on, steps: world.steps };
  };
  const { steps } = await below();
  const { on } = await below(steps.indexOf("after Make new heads"));
  const before = Object.keys((await stateOf(on)).layers);
  await collect(command(on)); // of one that began before the other died
  expect(Object.keys((await stateOf(on)).layers)).toEqual(before);
  await recoverAll(command(on));
  await collect(command(on));
  expect(Object.keys((await stateOf(on)).layers).length).toBe(before.length - 2);
  await requireSound(on, "recovered");
});
