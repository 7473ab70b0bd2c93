import { describe, expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import { recoverAll } from "../../../../src/core/operations/recovery.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { endEverywhere, requireSound } from "../crashes.ts";
import { ENDINGS } from "../ends.ts";
import { command, creation, disksOf, FIRST, start, stop, take, UUID, virsh, withGuest, write } from "../world.ts";

const TWO = [{ content: { 0: "boot" } }, { content: { 0: "data" }, format: "raw" }] as const;

describe.each(ENDINGS)("snapshot create, %s", { timeout: 600_000 }, (_, ending) => {
  test.each([true, false])("leaves the guest what it has (running: %s)", async (running) => {
    await endEverywhere(ending, {
      prepare: async () => withGuest({ running, disks: TWO }),
      run: (world) => createSnapshot(world, creation("s1")),
    });
  });

  test.each(["try", "require"] as const)("leaves nothing frozen (quiesce %s)", async (quiesce) => {
    await endEverywhere(ending, {
      prepare: async () => withGuest({ disks: TWO }),
      run: (world) => createSnapshot(world, creation("s1", { quiesce })),
    });
  });

  test("leaves the snapshots that were there as they are", async () => {
    await endEverywhere(ending, {
      prepare: async () => {
        const on = withGuest();
        await take(on, "s1");
        write(on, 2, "later");
        await take(on, "s2");
        write(on, 3, "latest");
        return on;
      },
      run: (world) => createSnapshot(world, creation("s3")),
    });
  });
});

describe("snapshot create, killed", () => {
  test("thaws a guest that libvirtd froze before it died, with nothing switched", async () => {
    const on = withGuest();
    const world = command(on);
    world.host.crashAtNext("switch-disks", "before");
    await expect(createSnapshot(world, creation("s1", { quiesce: "require" }))).rejects.toThrow("killed");
    Object.assign(on.machine.domains.get(UUID) ?? {}, { frozen: true });
    on.disk.locks.clear();
    await repair(command(on));
    await requireSound(on, "frozen");
    write(on, 3, "goes on");
    expect(await disksOf(on)).toEqual({ vda: { ...FIRST, 3: "goes on" } });
  });

  test("lets nobody start it on what it had before, once it has written to the new heads", async () => {
    const on = withGuest();
    const world = command(on);
    world.host.crashAtNext("switch-disks", "midway");
    await expect(createSnapshot(world, creation("s1"))).rejects.toThrow("killed");
    on.disk.locks.clear();
    write(on, 3, "in the new head");
    await stop(on);
    await expect(start(on)).rejects.toThrow("Permission denied");
    await startInstance(command(on), "web1");
    expect(await disksOf(on)).toEqual({ vda: { ...FIRST, 3: "in the new head" } });
    await requireSound(on, "started");
  });

  test("unlinks no new head that holds data, whatever somebody has done to the files", async () => {
    const on = withGuest();
    const world = command(on);
    world.host.crashAtNext("switch-disks", "midway");
    await expect(createSnapshot(world, creation("s1"))).rejects.toThrow("killed");
    on.disk.locks.clear();
    write(on, 3, "in the new head");
    await stop(on);
    await virsh(on, { do: "set-mode", path: "/disks/web1-vda.qcow2", mode: 0o640 });
    await start(on);
    const next = command(on);
    await recoverAll(next);
    expect(next.notes.join()).toContain("holds what the guest wrote");
    const found = await examine(command(on));
    expect(found.map(({ problem }) => problem)).toEqual(["a file with 64 KiB that nothing remembers"]);
  });
});
