/** What another tool puts on a guest's disks is part of them from the next command on, and nothing of it is lost. */
import { describe, expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { findings } from "../../../../src/core/graph/invariants.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import type { PlanView } from "../../../../src/core/operations/steps.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { revertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { EstratoError } from "../../../../src/errors.ts";
import { ENDINGS, everyEnd } from "../ends.ts";
import {
  type Bed,
  command,
  contentsOf,
  creation,
  disksOf,
  everything,
  FIRST,
  start,
  stateOf,
  stop,
  take,
  UUID,
  virsh,
  withGuest,
  write,
} from "../world.ts";
import { BYTES, contentOf, headOf, volumeOf, withVolume } from "./world.ts";

const SIZE = 8 * 65_536;

/** As `virsh snapshot-create-as --disk-only --no-metadata` does, or a person with an editor where the guest is off. */
async function overlay(on: Bed, path: string): Promise<void> {
  const status = await command(on).host.domainStatus(UUID);
  const top = status?.inactive.disks[0]?.source ?? "";
  const sizeBytes = (await command(on).host.imageInfo(top, { shared: true }))?.virtualSizeBytes ?? SIZE;
  await virsh(on, { do: "create-disk", path, backing: { path: top, format: "qcow2" }, sizeBytes });
  if (status?.live != null) {
    const disks = [{ device: "vda", path }];
    await virsh(on, { do: "switch-disks", domain: UUID, disks, excluded: [], quiesce: false });
  }
  const file = { path, format: "qcow2" };
  await virsh(on, { do: "redefine", domain: UUID, disks: [{ device: "vda", ...file }] });
}

/** A guest with the snapshot s1 whose disk another tool has put this many files on, and which wrote on. */
async function overlaid({ running = true, deep = 1, folder = "/other" } = {}): Promise<Bed> {
  const on = withGuest();
  await take(on, "s1");
  write(on, 1, "after s1");
  if (!running) await stop(on);
  for (let index = 0; index < deep; index += 1) {
    await overlay(on, `${folder}/o${index}.qcow2`);
    if (running) write(on, 2, `on o${index}`);
  }
  return on;
}

const held = (deep: number, running: boolean) => ({
  vda: { ...FIRST, 1: "after s1", ...(running ? { 2: `on o${deep - 1}` } : {}) },
});

describe.each([
  { running: true, deep: 1 },
  { running: true, deep: 3 },
  { running: false, deep: 1 },
  { running: false, deep: 2 },
])("running: $running, $deep deep", ({ running, deep }) => {
  test("a snapshot takes it in, and holds what the guest wrote", async () => {
    const on = await overlaid({ running, deep });
    const s2 = await take(on, "s2");
    expect(await contentsOf(on, s2.id)).toEqual(held(deep, running));
    expect(await disksOf(on)).toEqual(held(deep, running));
    expect(await examine(command(on))).toEqual([]);
    expect(findings(await stateOf(on))).toEqual([]);
    // What is not ours stays where it is, whatever goes.
    for (const name of ["s2", "s1"]) await deleteSnapshot(command(on), `web1/${name}`, { children: false });
    expect(on.machine.files.has("/other/o0.qcow2")).toBe(true);
    expect(await disksOf(on)).toEqual(held(deep, running));
  });

  test("doctor names it, and repair takes it in without a question", async () => {
    const on = await overlaid({ running, deep });
    const before = everything(on);
    expect((await examine(command(on))).map(({ problem }) => problem)).toEqual([
      expect.stringContaining(`another tool put /other/o0.qcow2`),
    ]);
    expect(everything(on)).toBe(before);
    const world = command(on, { answer: false });
    expect((await repair(world)).map(({ result }) => result)).toEqual(["mended"]);
    expect(world.asked).toEqual([]);
    expect(await examine(command(on))).toEqual([]);
    if (running) await stop(on);
    await startInstance(command(on), "web1");
    expect(await disksOf(on)).toEqual(held(deep, running));
  });
});

test("among our own layers it is one of them, and goes with them", async () => {
  const folder = command(withGuest()).store.paths.layersFolder;
  const on = await overlaid({ folder });
  const s2 = await take(on, "s2");
  await deleteSnapshot(command(on), s2.id, { children: false });
  expect(await disksOf(on)).toEqual(held(1, true));
  expect([...on.machine.files.keys()].filter((path) => path.startsWith(folder))).toHaveLength(1);
});

test("among our own layers it is brought home where the instance is deleted: no write of the guest's is left behind", async () => {
  const folder = command(withGuest()).store.paths.layersFolder;
  const on = await overlaid({ folder });
  const [original = ""] = [...on.machine.files.keys()].filter((path) => path.startsWith("/disks/"));
  await deleteInstance(command(on), "web1", { keepVolumes: false });
  expect((await command(on).host.domainStatus(UUID)) ?? null).toBeNull();
  expect([...on.machine.files.keys()].filter((path) => path.startsWith(folder))).toEqual([]);
  expect(Object.keys((await stateOf(on)).layers)).toEqual([]);
  expect(Object.fromEntries(on.machine.files.get(original)?.clusters ?? [])).toEqual(held(1, true).vda);
  expect(await examine(command(on))).toEqual([]);
});

test("a volume on which another tool has put it outlives the instance that it was attached to", async () => {
  const on = await withVolume({ running: false, attached: true });
  const [uuid = ""] = on.machine.domains.keys();
  const volume = await volumeOf(on);
  const disks = command(on).host.parseDefinition(on.machine.domains.get(uuid)?.inactive ?? "").disks;
  const backing = { path: await headOf(on, volume.id), format: "qcow2" };
  await virsh(on, { do: "create-disk", path: "/other/o0.qcow2", backing, sizeBytes: BYTES });
  const now = disks.flatMap(({ device, source, format }) =>
    source === null ? [] : [{ device, path: source === backing.path ? "/other/o0.qcow2" : source, format }],
  );
  await virsh(on, { do: "redefine", domain: uuid, disks: now });
  expect((await repair(command(on))).map(({ result }) => result)).toEqual(["mended"]);
  const before = await contentOf(on);
  await deleteInstance(command(on), "web1", { keepVolumes: false });
  expect(await volumeOf(on)).toMatchObject({ id: volume.id, instance: null });
  expect(await contentOf(on)).toEqual(before);
  expect(await examine(command(on))).toEqual([]);
});

describe.each([true, false])("a dry run takes nothing in (running: %s)", (running) => {
  const dry = (on: Bed) => command(on, { dryRun: true });
  const titles = (plan: unknown) => (plan as PlanView).steps.map(({ title }) => title);
  const FIRST_STEPS = ["Record what lies on the disks", "Freeze what it stands on", "Define it with its disks"];

  test("and plans it as what precedes the verb", async () => {
    const on = await overlaid({ running, deep: 2 });
    const before = everything(on);
    const plans = [
      await createSnapshot(dry(on), creation("s2")),
      await revertSnapshot(dry(on), "web1/s1", { discard: false, keepMs: 1000 }),
    ];
    for (const plan of plans) {
      expect(titles(plan).slice(0, 3)).toEqual(FIRST_STEPS);
      expect(titles(plan).length).toBeGreaterThan(4);
      expect((plan as PlanView).notes[0]).toContain("/other/o0.qcow2, /other/o1.qcow2, which another tool put on");
    }
    expect(everything(on)).toBe(before);
    await take(on, "s2");
    expect(await disksOf(on)).toEqual(held(2, running));
  });

  test("and refuses what cannot be", async () => {
    const on = await overlaid({ running });
    on.machine.files.delete("/other/o0.qcow2");
    await expect(createSnapshot(dry(on), creation("s2"))).rejects.toBeInstanceOf(EstratoError);
  });
});

describe("is left alone, with what to do,", () => {
  async function refused(on: Bed, words: string): Promise<void> {
    const before = everything(on);
    const error = await createSnapshot(command(on), creation("s2")).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(EstratoError);
    expect((error as EstratoError).message).toContain(words);
    expect(["conflict", "integrity"]).toContain((error as EstratoError).code);
    expect((await repair(command(on))).map(({ result }) => result)).toContain("left");
    expect(everything(on)).toBe(before);
  }

  test("what another guest uses too", async () => {
    const on = await overlaid();
    const disks = [{ device: "vda", path: "/other/o0.qcow2", format: "qcow2" as const }];
    command(on).host.addDomain({ name: "web2", uuid: UUID.replaceAll("1", "2"), disks, running: false });
    const [head] = Object.values((await stateOf(on)).volumes).map(({ head }) => head);
    const file = (await stateOf(on)).layers[head ?? ""]?.file;
    await refused(on, "instance web2 vda uses it too");
    const [{ remedy = "" } = {}] = await examine(command(on));
    expect(remedy).toContain(`virsh blockcommit web1 vda --base ${file} --active --pivot`);
  });

  test("a file that does not stand on the recorded head", async () => {
    const on = await overlaid({ running: false });
    command(on).host.addFile("/other/else.qcow2", { content: FIRST, format: "qcow2" });
    const file = { path: "/other/else.qcow2", format: "qcow2" };
    await virsh(on, { do: "redefine", domain: UUID, disks: [{ device: "vda", ...file }] });
    const before = everything(on);
    await expect(createSnapshot(command(on), creation("s2"))).rejects.toMatchObject({ code: "integrity" });
    const world = command(on, { answer: false });
    expect((await repair(world)).map(({ result }) => result)).toEqual(["left"]);
    expect(world.asked).toHaveLength(1);
    expect(everything(on)).toBe(before);
  });
});

describe.each(ENDINGS)("%s", { timeout: 600_000 }, (_, ending) => {
  test.each([true, false])("at any instant of the taking in, nothing is lost (running: %s)", async (running) => {
    const { ends } = await everyEnd(ending, {
      prepare: () => overlaid({ running, deep: 2 }),
      run: (world) => createSnapshot(world, creation("s2")),
    });
    expect(ends.length).toBeGreaterThan(5);
    for (const end of ends) {
      const on = await end.strike();
      await repair(command(on));
      if (running) {
        await stop(on);
        await start(on);
      }
      expect(await disksOf(on), end.point).toEqual(held(2, running));
      await repair(command(on));
      expect(await examine(command(on)), end.point).toEqual([]);
    }
  });
});
