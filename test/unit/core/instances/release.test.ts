import { expect, test } from "vitest";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { adoptInstance, releaseInstance } from "../../../../src/core/instances/release.ts";
import { stopInstance } from "../../../../src/core/instances/stop.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { command, creation, type Estate, newEstate, snapshotOf, stateOf } from "./world.ts";

const FILE = "/srv/legacy.img";

function legacy(running: boolean): Estate {
  const estate = newEstate();
  const { host } = command(estate);
  host.addFile(FILE, { format: "raw", mode: 0o640, uid: 7, gid: 8, content: { 0: "old" } });
  host.addDomain({ name: "legacy", running, disks: [{ device: "vda", path: FILE, format: "raw" }] });
  return estate;
}

const snapshot = (estate: Estate, name: string) =>
  createSnapshot(command(estate), {
    instance: "legacy",
    name,
    quiesce: "off",
    excludeDisks: [],
    description: null,
    properties: {},
    expiresAt: null,
    protect: false,
  });

test("adopting touches no file, and releasing leaves the store as it was", async () => {
  const estate = legacy(false);
  const before = snapshotOf(estate);
  await adoptInstance(command(estate), "legacy");
  expect(Object.values((await stateOf(estate)).layers)).toContainEqual(
    expect.objectContaining({ file: FILE, foreign: { uid: 7, gid: 8, mode: 0o640 } }),
  );
  await releaseInstance(command(estate), "legacy");
  // But for how often it was written
  estate.disk.state = estate.disk.state?.replace(/,\n "writes": \d+/, "") ?? null;
  expect(snapshotOf(estate)).toEqual(before);
});

test("adopting twice, and releasing what is not adopted, is fine", async () => {
  const estate = legacy(false);
  await releaseInstance(command(estate), "legacy");
  await adoptInstance(command(estate), "legacy");
  await adoptInstance(command(estate), "legacy");
  expect(Object.values((await stateOf(estate)).volumes)).toHaveLength(1);
});

test("a guest that is adopted while it runs keeps the owner that libvirt remembers", async () => {
  const estate = legacy(true);
  await adoptInstance(command(estate), "legacy");
  await stopInstance(command(estate), "legacy", { force: true, timeoutMs: 0, wait: true });
  Object.assign(estate.machine.files.get(FILE) ?? {}, { uid: 7, gid: 8 }); // libvirt gives it back
  await releaseInstance(command(estate), "legacy");
  expect(estate.machine.files.get(FILE)).toMatchObject({ uid: 7, gid: 8, mode: 0o640 });
});

test("releasing refuses while a snapshot stands on it, names it, and works once that is deleted", async () => {
  const estate = legacy(false);
  await snapshot(estate, "s1");
  await expect(releaseInstance(command(estate), "legacy")).rejects.toMatchObject({
    code: "conflict",
    message: "instance legacy: these stand on its disks: snapshot legacy/s1",
  });
  await deleteSnapshot(command(estate), "legacy/s1", { children: false });
  await releaseInstance(command(estate), "legacy");
  expect((await stateOf(estate)).instances).toEqual({});
  expect(estate.machine.files.get(FILE)).toMatchObject({ uid: 7, gid: 8, mode: 0o640 });
});

test("releasing refuses while an instance made from its snapshot stands on its file", async () => {
  const estate = legacy(false);
  await snapshot(estate, "s1");
  await createInstance(command(estate), creation({ name: "clone", source: { kind: "snapshot", target: "legacy/s1" } }));
  await deleteSnapshot(command(estate), "legacy/s1", { children: false });
  await expect(releaseInstance(command(estate), "legacy")).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining("clone vda"),
  });
});

test("an instance that estrato made cannot be released", async () => {
  const estate = newEstate();
  await createInstance(command(estate), creation());
  await expect(releaseInstance(command(estate), "web1")).rejects.toMatchObject({ code: "conflict" });
});
