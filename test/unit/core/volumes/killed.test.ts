/** Killed at any instant: the next command leaves what was, or what was asked for, and what the volume holds as it is. */
import { describe, expect, test } from "vitest";
import { exclusive } from "../../../../src/core/exclusive.ts";
import { createImageFromVolume } from "../../../../src/core/images/create-from-volume.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import type { World } from "../../../../src/core/ports.ts";
import { revertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { attachVolume } from "../../../../src/core/volumes/attach.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import { deleteVolume } from "../../../../src/core/volumes/delete.ts";
import { detachVolume } from "../../../../src/core/volumes/detach.ts";
import { resizeVolume } from "../../../../src/core/volumes/resize.ts";
import { type CommandOptions, command, creation, type Estate, stateOf, wrongs } from "../instances/world.ts";
import { agreed, BYTES, contentOf, headOf, snap, volumeOf, withVolume, witnesses } from "./world.ts";

type Meanwhile = "nothing" | "the guest stops" | "the guest stops and starts";
const MEANWHILE: readonly Meanwhile[] = ["nothing", "the guest stops", "the guest stops and starts"];

/** Every way of dying that a run of `work` has. */
async function deaths(prepare: () => Promise<Estate>, work: (world: World) => Promise<unknown>) {
  const world = command(await prepare());
  let steps = 0;
  world.report.step = () => {
    steps += 1;
  };
  await work(world);
  const found: [string, CommandOptions][] = [];
  for (let index = 0; index < steps; index += 1) found.push([`at step event ${index}`, { crashAtStep: index }]);
  for (const [index, { do: kind }] of world.host.performed.entries()) {
    for (const phase of ["before", "midway", "after"] as const)
      found.push([`${phase} action ${index}, ${kind}`, { host: { index, phase } }]);
  }
  for (const [index, write] of world.store.writes.entries()) {
    for (const phase of ["before", "after"] as const)
      found.push([`${phase} write ${index}, ${write}`, { store: { index, phase } }]);
  }
  return found;
}

/** Kills `work` at every point, lets things happen, runs the next command, and looks. */
async function killEverywhere(
  prepare: () => Promise<Estate>,
  work: (world: World) => Promise<unknown>,
  check: (estate: Estate, where: string) => Promise<void>,
): Promise<void> {
  for (const [point, options] of await deaths(prepare, work)) {
    for (const meanwhile of MEANWHILE) {
      const estate = await prepare();
      const world = command(estate, options);
      await work(world).catch(() => undefined);
      world.host.crash();
      world.store.crash();
      const { host } = command(estate);
      const runs = (await host.domainStatus("web1"))?.live != null;
      if (runs && meanwhile !== "nothing") await host.perform({ do: "destroy", domain: "web1" });
      if (runs && meanwhile === "the guest stops and starts")
        await host.perform({ do: "start", domain: "web1", paused: false }).catch(() => undefined);
      const where = `killed ${point}; then ${meanwhile}`;
      await exclusive(command(estate), ["another"], async () => {});
      expect(await wrongs(estate), where).toEqual([]);
      expect(estate.disk.locks.size, where).toBe(0);
      for (const layer of Object.values((await stateOf(estate)).layers)) {
        expect(estate.machine.files.get(layer.file)?.mode, `${where}: mode of ${layer.id}`).toBe(
          layer.frozen ? 0o400 : 0o600,
        );
      }
      await check(estate, where);
    }
  }
}

/** What libvirtd did not note while it died (a switch of disks) it learns from a stop and a start; all else must agree at once. */
const same = async (estate: Estate, where: string) => {
  expect(await contentOf(estate), where).toEqual({ 0: "written" });
  const lying = await witnesses(estate);
  if (lying.live === false && lying.open && lying.defined && lying.recorded) {
    expect(where).toContain("switch-disks");
    const { host } = command(estate);
    await host.perform({ do: "destroy", domain: "web1" });
    await host.perform({ do: "start", domain: "web1", paused: false });
  }
  const found = await witnesses(estate);
  expect(agreed(found), `${where}: ${JSON.stringify(found)}`).toBe(true);
};

describe("killed at every point", { timeout: 60_000 }, () => {
  test("volume create leaves a volume or nothing", async () => {
    await killEverywhere(
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
    await killEverywhere(
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
    await killEverywhere(
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
    await killEverywhere(
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
    await killEverywhere(
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
      await killEverywhere(
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
    await killEverywhere(
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
    await killEverywhere(
      () => withVolume({ attached: true }),
      (world) => createImageFromVolume(world, { ...options, volume: "data1" }),
      async (estate, where) => {
        await same(estate, where);
        expect(Object.keys((await stateOf(estate)).snapshots), where).toEqual([]);
      },
    );
  });
});
