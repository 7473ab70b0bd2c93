/**
 * Killed at any instant: the next command leaves what was, or what was asked for, and what the volume holds as it is.
 */
import { describe, expect, test } from "vitest";
import { createImageFromVolume } from "../../../../src/core/images/create-from-volume.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
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
