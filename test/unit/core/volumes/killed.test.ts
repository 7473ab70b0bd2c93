/**
 * Killed at any instant: the next command leaves what was, or what was asked for, and what the volume holds as it is.
 */
import { describe, expect, test } from "vitest";
import { repair } from "../../../../src/core/doctor/doctor.ts";
import { createImageFromVolume } from "../../../../src/core/images/create-from-volume.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { recoverAll } from "../../../../src/core/operations/recovery.ts";
import { revertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { attachVolume } from "../../../../src/core/volumes/attach.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import { deleteVolume } from "../../../../src/core/volumes/delete.ts";
import { detachVolume } from "../../../../src/core/volumes/detach.ts";
import { resizeVolume } from "../../../../src/core/volumes/resize.ts";
import { ENDINGS } from "../ends.ts";
import { command, creation, stateOf } from "../instances/world.ts";
import { endEverywhere, same } from "./kills.ts";
import { BYTES, contentOf, headOf, snap, volumeOf, withVolume } from "./world.ts";

describe.each(ENDINGS)("%s", { timeout: 600_000 }, (_, ending) => {
  test("volume create leaves a volume or nothing", async () => {
    await endEverywhere(
      ending,
      () => withVolume(),
      (world) => createVolume(world, { name: "data2", source: null, sizeBytes: BYTES }),
      async (estate, where) => {
        await same(estate, where);
        const made = Object.values((await stateOf(estate)).volumes).find((one) => one.name === "data2");
        if (made !== undefined) await deleteVolume(command(estate), "data2");
        await createVolume(command(estate), { name: "data2", source: null, sizeBytes: BYTES });
      },
    );
  });

  test.each([true, false])("volume attach leaves it everywhere or nowhere (running: %s)", async (running) => {
    await endEverywhere(
      ending,
      () => withVolume({ running }),
      (world) => attachVolume(world, "web1", "data1"),
      async (estate, where) => {
        await same(estate, where);
        await attachVolume(command(estate), "web1", "data1");
        await same(estate, where);
        expect(await volumeOf(estate)).toMatchObject({ device: "vdb" });
      },
    );
  });

  test.each([true, false])("volume detach leaves it everywhere or nowhere (running: %s)", async (running) => {
    await endEverywhere(
      ending,
      () => withVolume({ running, attached: true }),
      (world) => detachVolume(world, "web1", "data1", 1000),
      async (estate, where) => {
        await same(estate, where);
        await detachVolume(command(estate), "web1", "data1", 1000);
        await same(estate, where);
        expect(await volumeOf(estate)).toMatchObject({ instance: null, device: null });
      },
    );
  });

  test.each([
    { running: true, attached: true },
    { running: false, attached: true },
    { running: true, attached: false },
  ])("volume resize records the size that there is ($running, $attached)", async (shape) => {
    await endEverywhere(
      ending,
      () => withVolume(shape),
      (world) => resizeVolume(world, "data1", 2 * BYTES),
      async (estate, where) => {
        await same(estate, where);
        const { id, head } = await volumeOf(estate);
        const there = estate.machine.files.get(await headOf(estate, id))?.sizeBytes;
        expect((await stateOf(estate)).layers[head]?.sizeBytes, where).toBe(there);
      },
    );
  });

  test.each([
    { running: true, attached: true },
    { running: false, attached: true },
    { running: true, attached: false },
  ])("snapshot create --volume leaves the volume as it is ($running, $attached)", async (shape) => {
    await endEverywhere(
      ending,
      () => withVolume(shape),
      (world) => snap(world, "s1"),
      same,
    );
  });

  test.each([
    { running: false, attached: true },
    { running: true, attached: false },
  ])(
    "snapshot revert of a volume leaves what it had, or the snapshot's and keeps the rest ($running)",
    async (shape) => {
      const later = { 0: "written", 3: "later" };
      await endEverywhere(
        ending,
        async () => {
          const estate = await withVolume(shape);
          await snap(command(estate), "s1");
          estate.machine.files.get(await headOf(estate, (await volumeOf(estate)).id))?.clusters.set(3, "later");
          return estate;
        },
        (world) => revertSnapshot(world, "data1/s1", { discard: false, keepMs: 1000 }),
        async (estate, where) => {
          const now = await contentOf(estate);
          if (JSON.stringify(now) === JSON.stringify(later)) return;
          expect(now, where).toEqual({ 0: "written" });
          const state = await stateOf(estate);
          const kept = Object.values(state.snapshots).find((one) => one.automatic);
          const file = state.layers[kept?.disks[0]?.layer ?? ""]?.file ?? "";
          expect(command(estate).host.read(file), where).toEqual(later);
        },
      );
    },
  );

  test("instance create with volumes leaves them in it, or free", async () => {
    const boots = creation({ name: "web2", source: { kind: "volume", target: "data1" }, start: true });
    await endEverywhere(
      ending,
      () => withVolume(),
      (world) => createInstance(world, boots),
      async (estate, where) => {
        expect(await contentOf(estate), where).toEqual({ 0: "written" });
        const made = Object.values((await stateOf(estate)).instances).find((one) => one.name === "web2");
        expect((await volumeOf(estate)).instance, where).toBe(made?.id ?? null);
      },
    );
  });

  test("image create --from-volume leaves an image or nothing of it", async () => {
    const options = { name: "golden", properties: {}, minDiskBytes: null, minRamBytes: null, protect: false };
    await endEverywhere(
      ending,
      () => withVolume({ attached: true }),
      (world) => createImageFromVolume(world, { ...options, volume: "data1" }),
      async (estate, where) => {
        await same(estate, where);
        expect(Object.keys((await stateOf(estate)).snapshots), where).toEqual([]);
      },
    );
  });
});

describe("somebody else's disk since", () => {
  const OTHER = { device: "vdb", path: "/other/mine.qcow2", format: "qcow2", readonly: false, serial: null } as const;

  test("is not taken out of the guest, where a detachment had not ended and it has the same name", async () => {
    const on = await withVolume({ attached: true });
    const [uuid = ""] = on.machine.domains.keys();
    const world = command(on);
    world.host.crashAtNext("detach-disk", "after");
    await expect(detachVolume(world, "web1", "data1", 1000)).rejects.toThrow("killed");
    on.disk.locks.clear();
    command(on).host.addFile(OTHER.path, { content: { 0: "mine" }, format: "qcow2" });
    await command(on).host.perform({ do: "attach-disk", domain: uuid, disk: OTHER });
    await recoverAll(command(on));
    expect([...on.disk.journal.keys()]).toEqual([]);
    expect((await command(on).host.qemuDisks(uuid)).map(({ chain }) => chain[0])).toContain(OTHER.path);
    expect(await volumeOf(on)).toMatchObject({ instance: null, device: null });
    expect(await contentOf(on)).toEqual({ 0: "written" });
  });

  test("lies on a volume whose attaching had not ended: it is a disk of the guest's, and no free volume", async () => {
    const on = await withVolume();
    const [uuid = ""] = on.machine.domains.keys();
    const world = command(on);
    world.host.crashAtNext("attach-disk", "after");
    await expect(attachVolume(world, "web1", "data1")).rejects.toThrow("killed");
    on.disk.locks.clear();
    const { host } = command(on);
    const backing = { path: await headOf(on, (await volumeOf(on)).id), format: "qcow2" } as const;
    await host.perform({ do: "create-disk", path: "/other/o0.qcow2", backing, sizeBytes: BYTES });
    const disks = [{ device: "vdb", path: "/other/o0.qcow2" }];
    const excluded = (await host.qemuDisks(uuid)).map(({ device }) => device).filter((one) => one !== "vdb");
    await host.perform({ do: "switch-disks", domain: uuid, disks, excluded, quiesce: false });
    host.guestWrite(uuid, "vdb", 2, "on the overlay");
    await repair(command(on));
    expect([...on.disk.journal.keys()]).toEqual([]);
    expect(await volumeOf(on)).toMatchObject({ instance: uuid, device: "vdb" });
    expect(await contentOf(on)).toEqual({ 0: "written", 2: "on the overlay" });
  });
});
