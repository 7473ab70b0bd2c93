import { describe, expect, test } from "vitest";
import { createImageFromInstance } from "../../../../src/core/images/create-from-instance.ts";
import { createImageFromSnapshot } from "../../../../src/core/images/create-from-snapshot.ts";
import type { Image } from "../../../../src/core/model/state.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { ENDINGS } from "../ends.ts";
import {
  type Bed,
  bed,
  CONTENT,
  command,
  endEverywhere,
  everything,
  imageNamed,
  nextCommand,
  onlyImage,
  orphansAndGaps,
  type Process,
} from "./world.ts";

const DISK = "/disks/web1.qcow2";
const UUID = "11111111-2222-4333-8444-555555555555";

async function withGuest(running = true): Promise<Bed> {
  const on = bed();
  const { host } = command(on);
  host.addFile(DISK, { content: CONTENT });
  host.addDomain({ name: "web1", uuid: UUID, disks: [{ device: "vda", path: DISK, format: "qcow2" }], running });
  return on;
}

async function withSnapshot(): Promise<Bed> {
  const on = await withGuest();
  await createSnapshot(command(on), {
    instance: "web1",
    name: "s1",
    quiesce: "off",
    excludeDisks: [],
    description: null,
    properties: {},
    expiresAt: null,
    protect: false,
  });
  command(on).host.guestWrite("web1", "vda", 9, "later");
  return on;
}

const fromSnapshot = { ...imageNamed("golden"), snapshot: "web1/s1" };
const fromInstance = { ...imageNamed("golden"), instance: "web1", excludeDisks: [] };

async function contentOf(world: Process, image: Image | undefined) {
  const layer = (await world.store.read()).layers[image?.disks[0]?.layer ?? ""];
  return world.host.read(layer?.file ?? "");
}

describe("an image out of which all is taken by which machines are told apart", () => {
  const prepared = { ...fromSnapshot, sysprep: true };

  test("is a layer of its own on the snapshot's, which holds what it held", async () => {
    const on = await withSnapshot();
    const world = command(on);
    const image = (await createImageFromSnapshot(world, prepared)) as Image;
    const { layers, snapshots } = await world.store.read();
    const [{ layer: below } = { layer: "" }] = Object.values(snapshots)[0]?.disks ?? [];
    const layer = layers[image.disks[0]?.layer ?? ""];
    expect(layer).toMatchObject({ parent: below, frozen: true, foreign: null });
    expect(on.machine.files.get(layer?.file ?? "")?.mode).toBe(0o400);
    expect(await contentOf(world, image)).toEqual({ ...CONTENT, 1: "nobody's" });
    expect(world.host.read(layers[below]?.file ?? "")).toEqual(CONTENT);
    await deleteSnapshot(command(on), "web1/s1", { children: false });
    expect(await contentOf(await nextCommand(on), image)).toEqual({ ...CONTENT, 1: "nobody's" });
    expect(await orphansAndGaps(command(on))).toEqual([DISK].filter((path) => path.includes("/layers/")));
  });

  test("needs virt-sysprep, in a dry run too, and nothing is made without it", async () => {
    const on = await withSnapshot();
    on.machine.hasSysprep = false;
    const before = everything(on);
    for (const dryRun of [false, true]) {
      const refused = createImageFromSnapshot(command(on, { dryRun }), prepared);
      const hint = "Install the Debian package guestfs-tools.";
      await expect(refused).rejects.toMatchObject({ code: "host", hint });
    }
    expect(everything(on)).toBe(before);
  });

  test.each(ENDINGS)("%s, it is there as a whole, or not at all", async (_, ending) => {
    const work = (world: Process) => createImageFromSnapshot(world, prepared);
    await endEverywhere(ending, withSnapshot, work, async (world, where) => {
      const state = await world.store.read();
      const image = onlyImage(state);
      if (image !== undefined) expect(await contentOf(world, image), where).toEqual({ ...CONTENT, 1: "nobody's" });
      expect(
        (await orphansAndGaps(world)).filter((path) => path !== DISK),
        where,
      ).toEqual([]);
      expect(await world.store.journal.list(), where).toEqual([]);
    });
  });
});

describe("an image from a snapshot", () => {
  test("points at the snapshot's layers and moves no data", async () => {
    const on = await withSnapshot();
    const world = command(on);
    const image = (await createImageFromSnapshot(world, fromSnapshot)) as Image;
    expect(image).toMatchObject({ type: "snapshot", source: { kind: "snapshot", name: "web1/s1" }, minRamBytes: 0 });
    expect(image.minDiskBytes).toBe(image.disks[0]?.sizeBytes);
    expect(world.host.performed).toEqual([]);
    expect(await contentOf(world, image)).toEqual(CONTENT);
  });

  test("keeps its content, and a definition of its own, when the snapshot goes", async () => {
    const on = await withSnapshot();
    const image = (await createImageFromSnapshot(command(on), fromSnapshot)) as Image;
    await deleteSnapshot(command(on), "web1/s1", { children: false });
    const world = await nextCommand(on);
    expect(await contentOf(world, image)).toEqual(CONTENT);
    expect(await world.store.readRecord(image.definition ?? "")).toContain("web1");
    expect(world.host.guestRead("web1", "vda")).toEqual({ ...CONTENT, 9: "later" });
  });

  test("needs the snapshot", async () => {
    const on = await withSnapshot();
    const before = everything(on);
    const work = createImageFromSnapshot(command(on), { ...fromSnapshot, snapshot: "web1/s2" });
    await expect(work).rejects.toMatchObject({ code: "not_found" });
    expect(everything(on)).toBe(before);
  });

  test("changes nothing in a dry run", async () => {
    const on = await withSnapshot();
    const before = everything(on);
    await createImageFromSnapshot(command(on, { dryRun: true }), fromSnapshot);
    expect(everything(on)).toBe(before);
  });

  test("killed at every point, it is there as a whole, or not at all", async () => {
    await endEverywhere(
      "killed",
      withSnapshot,
      (world) => createImageFromSnapshot(world, fromSnapshot),
      async (world) => {
        const state = await world.store.read();
        const image = onlyImage(state);
        if (image !== undefined) expect(await contentOf(world, image)).toEqual(CONTENT);
        const records = Object.values({ ...state.snapshots, ...state.images }).map((one) => one.definition);
        records.push(`${Object.keys(state.instances)}.xml`);
        expect((await world.store.listRecords()).sort()).toEqual(records.sort());
        expect(await world.store.journal.list()).toEqual([]);
        expect(Object.keys(state.snapshots)).toHaveLength(1);
      },
    );
  });
});

describe("an image from an instance", () => {
  test.each([true, false])("is what its disk held, and leaves no snapshot (running: %s)", async (running) => {
    const on = await withGuest(running);
    const image = (await createImageFromInstance(command(on), fromInstance)) as Image;
    const world = await nextCommand(on);
    const state = await world.store.read();
    expect(image).toMatchObject({ type: "snapshot", source: { kind: "instance", id: UUID, name: "web1" } });
    expect(image.minDiskBytes).toBe(image.disks[0]?.sizeBytes);
    expect(state.snapshots).toEqual({});
    expect(state.instances[UUID]?.current).toBeNull();
    expect(await contentOf(world, image)).toEqual(CONTENT);
    expect(await world.store.readRecord(image.definition ?? "")).toContain("web1");
  });

  test("does not change when the guest writes on", async () => {
    const on = await withGuest();
    const image = (await createImageFromInstance(command(on), fromInstance)) as Image;
    const world = command(on);
    world.host.guestWrite("web1", "vda", 0, "overwritten");
    expect(await contentOf(world, image)).toEqual(CONTENT);
    expect(world.host.guestRead("web1", "vda")).toEqual({ ...CONTENT, 0: "overwritten" });
  });

  test("is refused where the name is taken, and no snapshot was taken then", async () => {
    const on = await withGuest();
    await createImageFromInstance(command(on), fromInstance);
    const before = everything(on);
    await expect(createImageFromInstance(command(on), fromInstance)).rejects.toMatchObject({ code: "conflict" });
    expect(everything(on)).toBe(before);
  });

  test("is refused where libvirt holds a saved memory state", async () => {
    const on = await withGuest(false);
    Object.assign(on.machine.domains.get(UUID) ?? {}, { managedSave: true });
    const before = everything(on);
    await expect(createImageFromInstance(command(on), fromInstance)).rejects.toMatchObject({ code: "conflict" });
    expect(everything(on)).toBe(before);
  });

  test("changes nothing in a dry run", async () => {
    const on = await withGuest();
    const before = everything(on);
    const plan = await createImageFromInstance(command(on, { dryRun: true }), fromInstance);
    expect(JSON.stringify(plan)).toContain("become the image");
    expect(everything(on)).toBe(before);
  });

  test.each(ENDINGS.flatMap(([words, ending]) => [true, false].map((running) => ({ words, ending, running }))))(
    "$words, it is there as a whole, or not at all (running: $running)",
    async ({ ending, running }) => {
      await endEverywhere(
        ending,
        () => withGuest(running),
        (world) => createImageFromInstance(world, fromInstance),
        async (world, point) => {
          const state = await world.store.read();
          const where = point;
          const image = onlyImage(state);
          if (image !== undefined) expect(await contentOf(world, image), where).toEqual(CONTENT);
          expect(state.snapshots, where).toEqual({});
          expect(await orphansAndGaps(world), where).toEqual([]);
          expect(await world.store.journal.list(), where).toEqual([]);
          await world.host.perform({ do: "start", domain: UUID, paused: false });
          expect(world.host.guestRead("web1", "vda"), where).toEqual(CONTENT);
          world.host.guestWrite("web1", "vda", 7, "alive");
          if (image !== undefined) expect(await contentOf(world, image), where).toEqual(CONTENT);
        },
      );
    },
  );
});
