/** What a TPM keeps goes where the disks go, whatever dies in between. */
import { describe, expect, test } from "vitest";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { revertSnapshot, unrevertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { killEverywhere, requireSound } from "../crashes.ts";
import {
  type Bed,
  command,
  creation,
  disksOf,
  start,
  stop,
  take,
  tpmPlace,
  UUID,
  virsh,
  withGuest,
  withTpm,
  writeBoth,
} from "../world.ts";

const keep = { discard: false, keepMs: 86_400_000 };
const TWO = [{ content: { 0: "boot" } }, { content: { 0: "data" }, format: "raw" }] as const;
const BEFORE = { vda: { 0: "boot", 2: "first" }, vdb: { 0: "data" } };

async function written(running: boolean): Promise<Bed> {
  const on = withTpm(withGuest({ disks: TWO }), "new");
  writeBoth(on, "first");
  await take(on, "s1");
  writeBoth(on, "second");
  if (!running) await stop(on);
  return on;
}

const revert = (on: Bed, options = keep) => revertSnapshot(command(on), "web1/s1", options);
const kept = (on: Bed) => on.machine.files.get(tpmPlace(on) ?? "")?.text;

test.each([true, false])("goes back and forth with the disks (running: %s)", async (running) => {
  const on = await written(running);
  await revert(on);
  expect(kept(on)).toBe("first");
  await unrevertSnapshot(command(on), "web1", keep);
  expect(kept(on)).toBe("second");
  await unrevertSnapshot(command(on), "web1", keep);
  expect(kept(on)).toBe("first");
  await requireSound(on, "after");
  for (const id of Object.keys((await command(on).store.read()).snapshots)) {
    await deleteSnapshot(command(on), id, { children: false });
  }
  expect([...on.machine.files.keys()].filter((path) => path.startsWith("/fake/estrato/nvram/"))).toEqual([]);
});

test("is of the last instant before a revert, though the guest wrote to it while that went on", async () => {
  const on = await written(true);
  const world = command(on);
  const perform = world.host.perform;
  world.host.perform = async (action, options) => {
    if (action.do === "define") writeBoth(on, "at the last moment");
    return perform(action, options);
  };
  await revertSnapshot(world, "web1/s1", keep);
  expect(kept(on)).toBe("first");
  await unrevertSnapshot(command(on), "web1", keep);
  expect(kept(on)).toBe("at the last moment");
  expect((await disksOf(on)).vda?.[2]).toBe("at the last moment");
});

test("of a guest that had never run stays as it is, which a revert says", async () => {
  const on = withTpm(withGuest({ running: false }), "");
  on.machine.files.delete(tpmPlace(on) ?? "");
  await take(on, "s1");
  await start(on);
  writeBoth(on, "first");
  const world = command(on);
  await revertSnapshot(world, "web1/s1", keep);
  expect(kept(on)).toBe("first");
  expect(world.notes).toContainEqual(expect.stringContaining("its TPM stays as it is"));
  await requireSound(on, "after");
});

test("whose copy has gone is not gone back to, and the guest runs on", async () => {
  const on = await written(true);
  for (const path of on.machine.files.keys()) if (path.endsWith(".tpm")) on.machine.files.delete(path);
  await expect(revert(on)).rejects.toMatchObject({ code: "integrity", message: expect.stringContaining(".tpm") });
  expect(on.machine.domains.get(UUID)?.state).toBe("running");
  expect(on.disk.journal.size).toBe(0);
});

test("is never exchanged under a guest that runs, and none starts before it is", async () => {
  const on = await written(true);
  const world = command(on);
  world.host.crashAtNext("place-tpm", "before");
  await expect(revertSnapshot(world, "web1/s1", keep)).rejects.toThrow("killed");
  on.disk.locks.clear();
  await expect(start(on)).rejects.toThrow("Permission denied");
});

describe("killed at every point", () => {
  test.each([true, false])("a snapshot holds disks and TPM of one instant (running: %s)", async (running) => {
    await killEverywhere({
      prepare: async () => {
        const on = await written(true);
        if (!running) await stop(on);
        return on;
      },
      run: (world) => createSnapshot(world, creation("s2")),
      does: ["save-tpm"],
    });
  });

  test.each([true, false])(
    "a revert leaves what was, or what was asked for with the rest kept (running: %s)",
    async (running) => {
      await killEverywhere({
        prepare: () => written(running),
        run: (world) => revertSnapshot(world, "web1/s1", keep),
        does: ["save-tpm", "place-tpm"],
        forward: BEFORE,
        keeps: true,
      });
    },
  );

  test("a revert of a paused guest, that keeps nothing, leaves what was or what was asked for", async () => {
    await killEverywhere({
      prepare: async () => {
        const on = await written(true);
        await virsh(on, { do: "suspend", domain: UUID });
        return on;
      },
      run: (world) => revertSnapshot(world, "web1/s1", { ...keep, discard: true }),
      forward: BEFORE,
    });
  });

  test("an unrevert leaves the reverted TPM with its disks, or the one before with those", async () => {
    await killEverywhere({
      prepare: async () => {
        const on = await written(true);
        await revert(on);
        return on;
      },
      run: (world) => unrevertSnapshot(world, "web1", keep),
      forward: { vda: { 0: "boot", 2: "second" }, vdb: { 0: "data" } },
      keeps: true,
    });
  });

  test("a deletion takes its copy along, and no other", async () => {
    await killEverywhere({
      prepare: async () => {
        const on = await written(true);
        await take(on, "s2");
        return on;
      },
      run: (world) => deleteSnapshot(world, "web1/s1", { children: false }),
    });
  });
});
