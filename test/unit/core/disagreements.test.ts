/**
 * What was said to be done and is not as planned: it is looked at afterwards, and a disagreement is an error
 * ("integrity"), never a result.
 */
import { describe, expect, test } from "vitest";
import type { Action } from "../../../src/core/model/action.ts";
import { createSnapshot } from "../../../src/core/snapshots/create.ts";
import { createVolumeSnapshot } from "../../../src/core/snapshots/create-volume.ts";
import { requireLeft, requireUnheld } from "../../../src/core/snapshots/unheld.ts";
import { attachVolume } from "../../../src/core/volumes/attach.ts";
import { requireIdle } from "../../../src/core/volumes/requirements.ts";
import { EstratoError } from "../../../src/errors.ts";
import { fileAt } from "../../fake/host-images.ts";
import { backup, withTarget } from "./backups/world.ts";
import { requireSound } from "./crashes.ts";
import { snap, volumeOf, withVolume } from "./volumes/world.ts";
import {
  type Bed,
  command,
  creation,
  disksOf,
  type Process,
  stateOf,
  TARGET,
  UUID,
  withGuest,
  write,
} from "./world.ts";

/** A machine that says that it has done this, and has done something else. */
function lying(on: Bed, kind: Action["do"], instead: (world: Process, action: Action) => void = () => {}): Process {
  const world = command(on);
  const { perform } = world.host;
  world.host.perform = async (action, how) => {
    if (action.do === kind) instead(world, action);
    else await perform(action, how);
  };
  return world;
}

describe("a switch of disks that libvirt says to have done", () => {
  test.each(["off", "require"] as const)("is no snapshot where QEMU has not (quiesce: %s)", async (quiesce) => {
    const on = withGuest();
    const held = await disksOf(on);
    await expect(createSnapshot(lying(on, "switch-disks"), creation("s1", { quiesce }))).rejects.toMatchObject({
      code: "integrity",
    });
    expect((await stateOf(on)).snapshots).toEqual({});
    expect(await disksOf(on)).toEqual(held);
    await requireSound(on, "refused");
  });

  test("is no snapshot where what it stands on can still be written", async () => {
    const on = withGuest();
    await createSnapshot(command(on), creation("s1"));
    const held = await disksOf(on);
    await expect(createSnapshot(lying(on, "set-mode"), creation("s2"))).rejects.toMatchObject({
      code: "integrity",
      message: expect.stringContaining("which can be written"),
    });
    expect(await disksOf(on)).toEqual(held);
  });

  test("is no snapshot of a volume where QEMU has not", async () => {
    const on = await withVolume({ attached: true });
    const world = lying(on, "switch-disks");
    await expect(createVolumeSnapshot(world, { ...creation("v1"), volume: "data1" })).rejects.toMatchObject({
      code: "integrity",
    });
    expect((await stateOf(on)).snapshots).toEqual({});
  });
});

test.each([true, false])(
  "a disk that is defined by another name of its file is no disagreement (running: %s)",
  async (running) => {
    const on = withGuest({ running });
    await createSnapshot(command(on), creation("s1"));
    const { host } = command(on);
    const [volume] = Object.values((await stateOf(on)).volumes);
    const head = (await stateOf(on)).layers[volume?.head ?? ""]?.file ?? "";
    const file = on.machine.files.get(head);
    if (file !== undefined) on.machine.files.set("/links/head.qcow2", file);
    const domain = on.machine.domains.get(UUID);
    if (domain !== undefined) {
      const disks = { vda: { path: "/links/head.qcow2", format: "qcow2" as const } };
      domain.inactive = host.editDefinition(domain.inactive, { disks });
    }
    const held = await disksOf(on);
    await createSnapshot(command(on), creation("s2"));
    expect(Object.values((await stateOf(on)).snapshots).map(({ name }) => name)).toEqual(["s1", "s2"]);
    expect(await disksOf(on)).toEqual(held);
    await requireSound(on, "named otherwise");
  },
);

test("a disk that libvirt says to have attached is not recorded where QEMU does not have it", async () => {
  const on = await withVolume();
  await expect(attachVolume(lying(on, "attach-disk"), "web1", "data1")).rejects.toMatchObject({ code: "integrity" });
  expect((await volumeOf(on)).instance).toBeNull();
});

describe("a copy with faults in its tables", () => {
  test.each([
    ["full", "convert"],
    ["incremental", "convert-delta"],
  ] as const)("is no backup (%s)", async (_, kind) => {
    const on = await withTarget();
    if (kind === "convert-delta") await backup(command(on));
    write(on, 2, "later");
    const before = [...on.machine.files.keys()].filter((path) => path.startsWith(`${TARGET}/bak-`));
    const world = command(on);
    const { perform } = world.host;
    world.host.perform = async (action, how) => {
      await perform(action, how);
      if (action.do === kind) fileAt(on.machine, action.to).faults = 1;
    };
    await expect(backup(world)).rejects.toMatchObject({ code: "integrity" });
    expect([...on.machine.files.keys()].filter((path) => path.startsWith(`${TARGET}/bak-`))).toEqual(before);
    await requireSound(on, "refused");
  });
});

describe("a file that somebody opens between two looks", () => {
  /** Opened after the first look; every look is one that a lock would stop. */
  function opened(world: Process): Process {
    let looks = 0;
    const { imageInfo } = world.host;
    world.host.imageInfo = async (path, how) => {
      expect(how?.shared ?? false).toBe(false);
      looks += 1;
      if (looks > 1) throw new EstratoError("conflict", `${path}: in use`);
      return imageInfo(path, how);
    };
    return world;
  }

  test("is held", async () => {
    const on = withGuest({ running: false });
    const path = "/disks/web1-vda.qcow2";
    await requireUnheld(command(on), path);
    await expect(requireUnheld(opened(command(on)), path)).rejects.toMatchObject({ code: "conflict" });
    const locks = await command(on).store.lock(["a"], 0);
    await expect(requireLeft(opened(command(on)), locks, null, path)).rejects.toMatchObject({ code: "conflict" });
  });

  test("is no free volume's head", async () => {
    const on = await withVolume();
    const state = await stateOf(on);
    const volume = await volumeOf(on);
    await requireIdle(command(on), state, volume);
    await expect(requireIdle(opened(command(on)), state, volume)).rejects.toMatchObject({ code: "conflict" });
    await snap(command(on), "v1");
  });
});
