import { describe, expect, test } from "vitest";
import { createImageFromVolume } from "../../../../src/core/images/create-from-volume.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import type { Volume } from "../../../../src/core/model/state.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { listSnapshots } from "../../../../src/core/snapshots/list.ts";
import { revertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { attachVolume } from "../../../../src/core/volumes/attach.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import { deleteVolume } from "../../../../src/core/volumes/delete.ts";
import { detachVolume } from "../../../../src/core/volumes/detach.ts";
import { resizeVolume } from "../../../../src/core/volumes/resize.ts";
import { listVolumes } from "../../../../src/core/volumes/view.ts";
import { command, creation, type Estate, IMAGE_BYTES, snapshotOf, stateOf, wrongs } from "../instances/world.ts";
import { agreed, BYTES, contentOf, headOf, snap, volumeOf, withVolume, witnesses } from "./world.ts";

const ofInstance = (name: string) => ({
  ...{ instance: "web1", name, quiesce: "off", excludeDisks: [], description: null, properties: {} },
  ...{ expiresAt: null, protect: false },
});

describe("volume create", () => {
  test("makes an empty disk that is attached to nothing", async () => {
    const estate = await withVolume();
    const views = await listVolumes(command(estate));
    expect(views.find((one) => one.name === "data1")).toMatchObject({
      status: "available",
      size_bytes: BYTES,
      instance: null,
      device: null,
      source_snapshot: null,
      encrypted: false,
    });
    expect(views.find((one) => one.instance === "web1")).toMatchObject({ name: null, device: "vda", status: "in-use" });
    expect(await wrongs(estate)).toEqual([]);
  });

  test("begins with what an image or a snapshot holds, and may be larger", async () => {
    const estate = await withVolume();
    const source = { kind: "image", target: "debian12", disk: null } as const;
    await createVolume(command(estate), { name: "root", source, sizeBytes: 2 * IMAGE_BYTES });
    expect(await contentOf(estate, "root")).toEqual({ 0: "of lay-debian12-vda" });
    await snap(command(estate), "s1");
    const from = { kind: "snapshot", target: "data1/s1", disk: null } as const;
    await createVolume(command(estate), { name: "data2", source: from, sizeBytes: null });
    expect(await contentOf(estate, "data2")).toEqual({ 0: "written" });
    expect(await wrongs(estate)).toEqual([]);
  });

  test.each([
    [
      "a smaller one",
      { name: "x", source: { kind: "image", target: "debian12", disk: null }, sizeBytes: 512 },
      "usage",
    ],
    ["a broken sector", { name: "x", source: null, sizeBytes: 1000 }, "usage"],
    ["one without a size", { name: "x", source: null, sizeBytes: null }, "usage"],
    ["a name that is none", { name: "a/b", source: null, sizeBytes: BYTES }, "usage"],
    ["a name that is taken", { name: "data1", source: null, sizeBytes: BYTES }, "conflict"],
    [
      "a disk that is not there",
      { name: "x", source: { kind: "image", target: "debian12", disk: "vdq" }, sizeBytes: null },
      "usage",
    ],
    [
      "nobody's snapshot",
      { name: "x", source: { kind: "snapshot", target: "s9", disk: null }, sizeBytes: null },
      "not_found",
    ],
  ] as const)("refuses %s", async (_, options, code) => {
    const estate = await withVolume();
    const before = snapshotOf(estate);
    await expect(createVolume(command(estate), options)).rejects.toMatchObject({ code });
    expect(snapshotOf(estate)).toEqual(before);
  });

  test("of a snapshot of two disks wants to know which", async () => {
    const estate = await withVolume({ attached: true });
    await createSnapshot(command(estate), ofInstance("both") as never);
    const make = (disk: string | null) =>
      createVolume(command(estate), {
        name: "x",
        source: { kind: "snapshot", target: "web1/both", disk },
        sizeBytes: null,
      });
    await expect(make(null)).rejects.toMatchObject({ code: "usage", hint: expect.stringContaining("--disk") });
    await make("vdb");
    expect(await contentOf(estate, "x")).toEqual({ 0: "written" });
  });
});

describe("volume attach and detach", () => {
  test("are done where they are done already", async () => {
    const estate = await withVolume({ attached: true });
    const before = snapshotOf(estate);
    await attachVolume(command(estate), "web1", "data1");
    expect(snapshotOf(estate)).toEqual(before);
    await detachVolume(command(estate), "web1", "data1", 1000);
    await detachVolume(command(estate), "web1", "data1", 1000);
    expect(agreed(await witnesses(estate))).toBe(true);
  });

  test("are refused while the instance has snapshots, naming them", async () => {
    const estate = await withVolume();
    await createSnapshot(command(estate), ofInstance("friday") as never);
    const before = snapshotOf(estate);
    const refused = attachVolume(command(estate), "web1", "data1");
    await expect(refused).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining("friday") });
    expect(snapshotOf(estate)).toEqual(before);
  });

  test("a guest that does not answer keeps the disk, and nothing is recorded; repeating it goes on", async () => {
    const estate = await withVolume({ attached: true });
    const [domain] = estate.machine.domains.values();
    if (domain === undefined) throw new Error("no domain");
    domain.obedient = false;
    await expect(detachVolume(command(estate), "web1", "data1", 1000)).rejects.toMatchObject({ code: "timeout" });
    expect(await witnesses(estate)).toEqual({ recorded: true, defined: true, live: true, open: true });
    domain.obedient = true;
    await detachVolume(command(estate), "web1", "data1", 1000);
    expect(await witnesses(estate)).toEqual({ recorded: false, defined: false, live: false, open: false });
    expect(await wrongs(estate)).toEqual([]);
  });

  test("a guest that let go only after its time was up is no obstacle to trying again", async () => {
    const estate = await withVolume({ attached: true });
    const [domain] = estate.machine.domains.values();
    if (domain?.live == null) throw new Error("no domain");
    const { host } = command(estate);
    domain.open = domain.open.filter(({ device }) => device !== "vdb");
    domain.live = host.editDefinition(domain.live, { disks: { vdb: null } });
    await detachVolume(command(estate), "web1", "data1", 1000);
    expect(agreed(await witnesses(estate))).toBe(true);
  });

  test("the disk that a running guest stands on stays; at rest it may go, and no longer goes with the instance", async () => {
    const estate = await withVolume();
    const detach = () => detachVolume(command(estate), "web1", "web1/vda", 1000);
    await expect(detach()).rejects.toMatchObject({ code: "conflict" });
    await command(estate).host.perform({ do: "destroy", domain: "web1" });
    const freed = (await detach()) as Volume;
    expect(freed).toMatchObject({ instance: null, deleteWithInstance: false });
    await deleteInstance(command(estate), "web1", { keepVolumes: false });
    expect(Object.keys((await stateOf(estate)).volumes)).toContain(freed.id);
    expect(await wrongs(estate)).toEqual([]);
  });

  describe("whatever a volume stands on,", () => {
    /** `legacy`, which estrato did not make, with the snapshot s1; and web1. */
    async function withLegacy(): Promise<Estate> {
      const estate = await withVolume({ running: false });
      const { host } = command(estate);
      host.addFile("/srv/legacy.qcow2", { mode: 0o640, content: { 0: "old" } });
      const disks = [{ device: "vda", path: "/srv/legacy.qcow2", format: "qcow2" }];
      host.addDomain({ name: "legacy", running: false, disks });
      await createSnapshot(command(estate), { ...ofInstance("s1"), instance: "legacy" } as never);
      return estate;
    }

    const legacyDisk = async (estate: Estate) => {
      const { volumes } = await stateOf(estate);
      return Object.values(volumes).find(({ sourceImage, name }) => sourceImage === null && name === null)?.id ?? "";
    };

    test("one that was made of a guest from before estrato is attached and detached as any other", async () => {
      const estate = await withLegacy();
      const source = { kind: "snapshot", target: "legacy/s1", disk: null } as const;
      await createVolume(command(estate), { name: "copy", source, sizeBytes: null });
      await attachVolume(command(estate), "web1", "copy");
      await detachVolume(command(estate), "web1", "copy", 1000);
      expect(agreed(await witnesses(estate, "copy"))).toBe(true);
      expect(await contentOf(estate, "copy")).toEqual({ 0: "old" });
      const from = { kind: "snapshot", target: "legacy/s1" } as const;
      await createInstance(command(estate), creation({ name: "web2", source: from, start: false }));
      await detachVolume(command(estate), "web2", "web2/vda", 1000);
      expect(await wrongs(estate)).toEqual([]);
    });

    test("a guest's own from before stays its own; kept, and attached to another, it can be detached there", async () => {
      const estate = await withLegacy();
      await deleteSnapshot(command(estate), "legacy/s1", { children: false });
      await expect(detachVolume(command(estate), "legacy", "legacy/vda", 1000)).rejects.toMatchObject({
        code: "conflict",
        message: expect.stringContaining("before estrato"),
      });
      const id = await legacyDisk(estate);
      await deleteInstance(command(estate), "legacy", { keepVolumes: true });
      await attachVolume(command(estate), "web1", id);
      await detachVolume(command(estate), "web1", id, 1000);
      expect((await stateOf(estate)).volumes[id]).toMatchObject({ instance: null });
      expect(command(estate).host.read("/srv/legacy.qcow2")).toEqual({ 0: "old" });
    });
  });

  test("an attachment that the host refuses leaves no trace", async () => {
    const estate = await withVolume();
    const before = await witnesses(estate);
    const world = command(estate);
    world.host.failNext("attach-disk", new Error("no more PCI slots"));
    await expect(attachVolume(world, "web1", "data1")).rejects.toThrow("no more PCI slots");
    expect(await witnesses(estate)).toEqual(before);
    expect(await wrongs(estate)).toEqual([]);
  });
});

describe("volume delete", () => {
  test("is refused while it is attached; its snapshots outlive it", async () => {
    const estate = await withVolume({ attached: true });
    await expect(deleteVolume(command(estate), "data1")).rejects.toMatchObject({ code: "conflict" });
    const { disks } = await snap(command(estate), "s1");
    await detachVolume(command(estate), "web1", "data1", 1000);
    await deleteVolume(command(estate), "data1");
    const file = (await stateOf(estate)).layers[disks[0]?.layer ?? ""]?.file ?? "";
    expect(command(estate).host.read(file)).toEqual({ 0: "written" });
    expect(await wrongs(estate)).toEqual([]);
  });

  test("changes nothing where the answer is no, or in a dry run", async () => {
    const estate = await withVolume();
    const before = snapshotOf(estate);
    expect(await deleteVolume(command(estate, { answer: false }), "data1")).toBeNull();
    expect(await deleteVolume(command(estate, { dryRun: true }), "data1")).toMatchObject({
      freesBytes: expect.any(Number),
    });
    expect(snapshotOf(estate)).toEqual(before);
  });
});

describe("volume resize", () => {
  test.each([
    [{ running: true, attached: true }, "block-resize"],
    [{ running: false, attached: true }, "resize-disk"],
    [{ attached: false }, "resize-disk"],
  ] as const)("grows %o by %s, and never shrinks", async (shape, action) => {
    const estate = await withVolume(shape);
    const world = command(estate);
    await resizeVolume(world, "data1", 2 * BYTES);
    expect(world.host.performed.map((one) => one.do)).toEqual([action]);
    const { head } = await volumeOf(estate);
    expect((await stateOf(estate)).layers[head]?.sizeBytes).toBe(2 * BYTES);
    await expect(resizeVolume(command(estate), "data1", BYTES)).rejects.toMatchObject({ code: "usage" });
  });

  test("leaves the snapshot's size alone, and a revert brings it back", async () => {
    const estate = await withVolume();
    await snap(command(estate), "s1");
    await resizeVolume(command(estate), "data1", 2 * BYTES);
    await revertSnapshot(command(estate), "data1/s1", { discard: false, keepMs: 1000 });
    expect((await stateOf(estate)).layers[(await volumeOf(estate)).head]?.sizeBytes).toBe(BYTES);
    expect(await wrongs(estate)).toEqual([]);
  });
});

test("what a revert keeps of a volume is as large as others had made it", async () => {
  const estate = await withVolume();
  await snap(command(estate), "s1");
  const path = await headOf(estate, (await volumeOf(estate)).id);
  await command(estate).host.perform({ do: "resize-disk", path, format: "qcow2", sizeBytes: 4 * BYTES });
  estate.machine.files.get(path)?.clusters.set(20, "beyond");
  await revertSnapshot(command(estate), "data1/s1", { discard: false, keepMs: 60_000 });
  const kept = Object.values((await stateOf(estate)).snapshots).find(({ automatic }) => automatic);
  await revertSnapshot(command(estate), kept?.id ?? "", { discard: true, keepMs: 1000 });
  expect(await contentOf(estate)).toEqual({ 0: "written", 20: "beyond" });
  expect(await wrongs(estate)).toEqual([]);
});

describe("snapshots of a volume", () => {
  const write = async (estate: Estate, cluster: number, word: string) =>
    estate.machine.files.get(await headOf(estate, (await volumeOf(estate)).id))?.clusters.set(cluster, word);

  test("know their parent and which is current; those of the instance are not touched", async () => {
    const estate = await withVolume({ attached: true });
    await createSnapshot(command(estate), ofInstance("whole") as never);
    const first = await snap(command(estate), "s1");
    const second = await snap(command(estate), "s2");
    expect([first.parent, second.parent]).toEqual([null, first.id]);
    const views = await listSnapshots(command(estate), {}, false);
    expect(views.map(({ name, type, current }) => [name, type, current])).toEqual([
      ["whole", "instance", false], // the volume's head stands on s2
      ["s1", "volume", false],
      ["s2", "volume", true],
    ]);
    expect((await listSnapshots(command(estate), { volume: (await volumeOf(estate)).id }, false)).length).toBe(3);
    await expect(snap(command(estate), "s2")).rejects.toMatchObject({ code: "conflict" });
    expect(await wrongs(estate)).toEqual([]);
  });

  test.each([
    ["1-3-2", true],
    ["3-1-2", true],
    ["1-3-2", false],
    ["3-1-2", false],
  ])("go in the order %s (attached: %s), and the volume keeps what it holds", async (order, attached) => {
    const estate = await withVolume({ attached, running: false });
    const kept: Record<string, Record<number, string>> = {};
    for (const number of ["1", "2", "3"]) {
      await write(estate, Number(number), number);
      await write(estate, 6, number);
      kept[number] = await contentOf(estate);
      await snap(command(estate), number);
    }
    const head = await contentOf(estate);
    for (const number of order.split("-")) {
      await deleteSnapshot(command(estate), `data1/${number}`, { children: false });
      delete kept[number];
      const state = await stateOf(estate);
      for (const one of Object.values(state.snapshots)) {
        expect(command(estate).host.read(state.layers[one.disks[0]?.layer ?? ""]?.file ?? "")).toEqual(kept[one.name]);
      }
      expect(await contentOf(estate)).toEqual(head);
    }
    expect(await wrongs(estate)).toEqual([]);
  });

  test("are reverted to at rest only", async () => {
    const estate = await withVolume({ attached: true });
    await snap(command(estate), "s1");
    const revert = () => revertSnapshot(command(estate), "data1/s1", { discard: false, keepMs: 1000 });
    await expect(revert()).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining("web1 runs") });
    await command(estate).host.perform({ do: "destroy", domain: "web1" });
    await write(estate, 4, "later");
    const { kept, volume } = (await revert()) as { kept: { name: string }; volume: string };
    expect(volume).toBe("data1");
    expect(await contentOf(estate)).toEqual({ 0: "written" });
    await revertSnapshot(command(estate), `data1/${kept.name}`, { discard: true, keepMs: 0 });
    expect(await contentOf(estate)).toEqual({ 0: "written", 4: "later" });
    expect(agreed(await witnesses(estate))).toBe(true);
    expect(await wrongs(estate)).toEqual([]);
  });

  test.each(["the instance", "the volume"])("wait for nobody who works on %s: one thing at a time", async (busy) => {
    const estate = await withVolume({ attached: true });
    const { id, instance } = await volumeOf(estate);
    const held = await command(estate).store.lock([busy === "the volume" ? id : (instance ?? "")], 0);
    const message = expect.stringMatching(busy === "the volume" ? /^volume data1: another/ : /^instance web1: another/);
    await expect(snap(command(estate), "s1")).rejects.toMatchObject({ code: "conflict", message });
    const detached = detachVolume(command(estate), "web1", "data1", 1000);
    await expect(detached).rejects.toMatchObject({ code: "conflict", message });
    await held.release();
    await snap(command(estate), "s1");
  });

  test("become images", async () => {
    const estate = await withVolume();
    const options = { name: "golden", properties: {}, minDiskBytes: null, minRamBytes: null, protect: false };
    const image = await createImageFromVolume(command(estate), { ...options, volume: "data1" });
    expect(image).toMatchObject({ type: "snapshot", source: { kind: "volume", name: "data1" } });
    expect((await stateOf(estate)).snapshots).toEqual({});
    expect(await wrongs(estate)).toEqual([]);
  });
});

describe("instance create with volumes", () => {
  test("boots from one and attaches others, which stay when it is deleted", async () => {
    const estate = await withVolume();
    await createVolume(command(estate), { name: "data2", source: null, sizeBytes: BYTES });
    const source = { kind: "volume", target: "data1" } as const;
    await createInstance(command(estate), creation({ name: "web2", source, volumes: ["data2"] }));
    expect([(await volumeOf(estate)).device, (await volumeOf(estate, "data2")).device]).toEqual(["vda", "vdb"]);
    expect(command(estate).host.guestRead("web2", "vda")).toEqual({ 0: "written" });
    await deleteInstance(command(estate), "web2", { keepVolumes: false });
    expect([(await volumeOf(estate)).instance, (await volumeOf(estate, "data2")).instance]).toEqual([null, null]);
    expect(await contentOf(estate)).toEqual({ 0: "written" });
    expect(await wrongs(estate)).toEqual([]);
  });

  test.each([
    [{ volumes: ["data1"] }, "conflict"],
    [{ volumes: ["web1/vda"] }, "conflict"],
    [{ volumes: ["nothing"] }, "not_found"],
    [{ source: { kind: "volume", target: "data1" }, volumes: ["data1"] }, "usage"],
    [{ source: { kind: "volume", target: "data1" }, diskBytes: BYTES }, "usage"],
  ] as const)("refuses %o", async (change, code) => {
    const estate = await withVolume({ attached: true });
    const before = snapshotOf(estate);
    await expect(createInstance(command(estate), creation({ name: "web2", ...change }))).rejects.toMatchObject({
      code,
    });
    expect(snapshotOf(estate)).toEqual(before);
  });
});
