/**
 * What somebody can break behind estrato's back in memory, volumes, shelves and images: found, named, and mended where
 * nothing must be guessed.
 */
import { describe, expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { findings } from "../../../../src/core/graph/invariants.ts";
import { createImage } from "../../../../src/core/images/create.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { adoptInstance, releaseInstance } from "../../../../src/core/instances/release.ts";
import type { Snapshot } from "../../../../src/core/model/state.ts";
import { recoverAll } from "../../../../src/core/operations/recovery.ts";
import type { World } from "../../../../src/core/ports.ts";
import { unshelveInstance } from "../../../../src/core/shelving/unshelve.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { detachVolume } from "../../../../src/core/volumes/detach.ts";
import { fakeClock } from "../../../fake/clock.ts";
import { recordOf, shelved, idOf as shelvedId, withArchive } from "../shelving/world.ts";
import { contentOf, headOf, type Shape, volumeOf, withVolume, witnesses } from "../volumes/world.ts";
import { type Bed, command, creation, everything, stateOf, stop, withGuest, write } from "../world.ts";

async function problems(on: Bed): Promise<string[]> {
  const before = everything(on);
  const found = await examine(command(on));
  expect(everything(on)).toBe(before);
  return found.map(({ subject, problem }) => `${subject}: ${problem}`);
}

async function mends(on: Bed, words: string): Promise<void> {
  expect(await problems(on)).toEqual([expect.stringContaining(words)]);
  expect((await repair(command(on))).map(({ result }) => result)).toEqual(["mended"]);
  expect(await problems(on)).toEqual([]);
  expect(findings(await stateOf(on))).toEqual([]);
}

/** It is named, and nothing is touched. */
async function leaves(on: Bed, ...words: string[]): Promise<void> {
  expect(await problems(on)).toEqual(words.map((one) => expect.stringContaining(one)));
  const before = everything(on);
  expect((await repair(command(on))).map(({ result }) => result)).toEqual(words.map(() => "left"));
  expect(everything(on)).toBe(before);
}

const web1 = (on: Bed) => {
  const [found] = [...on.machine.domains].filter(([, { inactive }]) => inactive.includes("<name>web1</name>"));
  if (found === undefined) throw new Error("libvirt has no web1");
  return { uuid: found[0], domain: found[1] };
};
const withData = async (shape: Shape): Promise<Bed> => ({ ...(await withVolume(shape)), clock: fakeClock() });

test.each([
  [
    "instance delete",
    "Record",
    (world: World) => createSnapshot(world, creation("s1")),
    (world: World) => deleteInstance(world, "web1", { keepVolumes: false }),
  ],
  [
    "instance release",
    "Take this store's mark off it",
    (world: World) => adoptInstance(world, "web1"),
    (world: World) => releaseInstance(world, "web1"),
  ],
])("a killed %s ends though the disk that it was to give back is thrown away since", async (_, step, adopt, run) => {
  const adopted = async () => {
    const on = withGuest({ running: false });
    await adopt(command(on));
    return on;
  };
  const whole = command(await adopted());
  await run(whole);
  const index = whole.steps.lastIndexOf(`after ${step}`);
  expect(whole.steps).toContain(`after ${step}`);
  const on = await adopted();
  await expect(run(command(on, { crash: { at: "step", index } }))).rejects.toThrow();
  expect(on.disk.journal.size).toBe(1);
  on.machine.files.delete("/disks/web1-vda.qcow2");
  await recoverAll(command(on));
  expect([...on.disk.journal.values()]).toEqual([]);
  expect((await stateOf(on)).layers).toEqual({});
});

test("a file that a merge has still to write to and somebody has removed is named, and the merge ends once it is back", async () => {
  const on = withGuest();
  await createSnapshot(command(on), creation("s1"));
  write(on, 3, "newer");
  await createSnapshot(command(on), creation("s2"));
  await stop(on);
  const world = command(on);
  world.host.crashAtNext("commit", "midway");
  await expect(deleteSnapshot(world, "web1/s1", { children: false })).rejects.toThrow();
  const [entry = ""] = [...on.disk.journal.values()];
  const written = world.host.performed.find((action) => action.do === "set-mode")?.path ?? "";
  const file = on.machine.files.get(written);
  on.machine.files.delete(written);
  const left = await repair(command(on));
  expect(left).toContainEqual({
    subject: expect.stringMatching(/^operation op-/),
    problem: expect.stringContaining(`cannot be recovered: ${written}: it is not there, and is needed`),
    remedy: expect.stringContaining("Put it back where it was"),
    result: "left",
  });
  expect(left.map(({ problem }) => problem).join()).not.toContain("ENOENT");
  expect([...on.disk.journal.values()]).toEqual([entry]);
  on.machine.files.set(written, file as never);
  await repair(command(on));
  expect(await problems(on)).toEqual([]);
});

describe("of a volume that is attached", () => {
  test("the disk is put back that was taken out of the definition of an instance that is off", async () => {
    const on = await withData({ running: false, attached: true });
    web1(on).domain.inactive = command(on).host.editDefinition(web1(on).domain.inactive, { disks: { vdb: null } });
    await mends(on, "its definition has no disk vdb, which data1 is");
    expect(await witnesses(on)).toEqual({ recorded: true, defined: true });
    expect(await contentOf(on)).toEqual({ 0: "written" });
    await detachVolume(command(on), "web1", "data1", 1000);
    expect(await problems(on)).toEqual([]);
  });

  test("the same where it runs, out of the guest and the definition", async () => {
    const on = await withData({ attached: true });
    await command(on).host.perform({ do: "detach-disk", domain: web1(on).uuid, device: "vdb", timeoutMs: 1000 });
    await mends(on, "its definition has no disk vdb, which data1 is");
    expect(await witnesses(on)).toEqual({ recorded: true, defined: true, live: true, open: true });
    expect(await contentOf(on)).toEqual({ 0: "written" });
  });
});

describe("a disk that its definition calls otherwise, since it is on another bus", () => {
  const moved = (xml: string | null) =>
    xml?.replace(/dev=(['"])vdb\1/, 'dev="sdb"').replace(/(sdb.*?bus=)(['"])virtio\2/, '$1"sata"') ?? null;

  test("is its volume all the same, and is attached only once", async () => {
    const on = await withData({ running: false, attached: true });
    const { domain } = web1(on);
    domain.inactive = moved(domain.inactive) ?? "";
    const defined = domain.inactive;
    await mends(on, "its definition calls its disk vdb sdb");
    expect(web1(on).domain.inactive).toBe(defined);
    expect(await volumeOf(on)).toMatchObject({ instance: web1(on).uuid, device: "sdb" });
    expect(await witnesses(on)).toEqual({ recorded: true, defined: true });
    await createSnapshot(command(on), creation("s1"));
    expect(await contentOf(on)).toEqual({ 0: "written" });
    expect(await problems(on)).toEqual([]);
  });

  test("is recorded as such once its guest runs no more with the old name", async () => {
    const on = await withData({ attached: true });
    const { domain, uuid } = web1(on);
    domain.inactive = moved(domain.inactive) ?? "";
    await leaves(on, "its definition calls its disk vdb sdb");
    await command(on).host.perform({ do: "destroy", domain: uuid });
    await mends(on, "its definition calls its disk vdb sdb");
  });
});

describe("of a volume that is free", () => {
  const meddled = async (path: (on: Bed) => Promise<string>, format: "qcow2" | "raw" = "qcow2"): Promise<Bed> => {
    const on = await withData({ running: false });
    const disk = { device: "vdc", path: await path(on), format, readonly: false, serial: "x" };
    web1(on).domain.inactive = command(on).host.editDefinition(web1(on).domain.inactive, { addDisks: [disk] });
    return on;
  };

  test("an instance that somebody gave it to as a disk has it from then on", async () => {
    const on = await meddled(async (bed) => headOf(bed, (await volumeOf(bed)).id));
    await mends(on, "instance web1: its disk vdc is volume data1, which is not attached to it");
    expect(await volumeOf(on)).toMatchObject({ instance: web1(on).uuid, device: "vdc" });
    await detachVolume(command(on), "web1", "data1", 1000);
    expect(await volumeOf(on)).toMatchObject({ instance: null, device: null });
    expect(await contentOf(on)).toEqual({ 0: "written" });
  });

  test("a domain is named that has it by another name", async () => {
    const on = await meddled(async (bed) => {
      const head = await headOf(bed, (await volumeOf(bed)).id);
      const file = bed.machine.files.get(head);
      if (file !== undefined) bed.machine.files.set("/links/data1.qcow2", file);
      return "/links/data1.qcow2";
    });
    expect(await problems(on)).toEqual([expect.stringContaining("its disk vdc is volume data1")]);
  });

  test("one is only named that reads it as what it is not: its guest would write over the layers", async () => {
    const on = await meddled(async (bed) => headOf(bed, (await volumeOf(bed)).id), "raw");
    await leaves(on, "instance web1: its disk vdc is volume data1, which is not attached to it");
  });

  test("a guest of others that was given it besides its own disk is told to let it go, not to be undefined", async () => {
    const on = await withData({});
    const { host } = command(on);
    const path = await headOf(on, (await volumeOf(on)).id);
    host.addFile("/disks/db1.qcow2", { content: { 0: "of db1" }, format: "qcow2" });
    const own = { device: "vda", path: "/disks/db1.qcow2", format: "qcow2" as const };
    const given = { device: "vdb", path, format: "qcow2" as const };
    const uuid = "22222222-2222-4333-8444-555555555555";
    host.addDomain({ name: "db1", uuid, disks: [own, given], running: false });
    expect((await examine(command(on))).map(({ remedy }) => remedy)).toEqual([
      "Take it out again: virsh detach-disk db1 vdb --persistent.",
    ]);
    on.machine.domains.delete(uuid);
    host.addDomain({ name: "db1", uuid, disks: [{ ...given, device: "vda" }], running: false });
    expect((await examine(command(on))).map(({ remedy }) => remedy)).toEqual([
      expect.stringMatching("^Undefine it, .*: estrato instance create NAME --boot-volume data1[.] "),
    ]);
  });

  test("a domain is named that would write to a frozen layer", async () => {
    const on = await meddled(async () => "/fake/estrato/layers/lay-debian12-vda.qcow2");
    await leaves(on, "instance web1: its disk vdc is a layer that others stand on (");
  });

  test("its file is missed", async () => {
    const on = await withData({});
    on.machine.files.delete(await headOf(on, (await volumeOf(on)).id));
    await leaves(on, "it is missing; volume data1 needs it");
  });
});

describe("of snapshots and images", () => {
  const kept = async () => {
    const on = withGuest();
    const m1 = (await createSnapshot(command(on), creation("m1", { memory: true }))) as Snapshot;
    return { on, m1 };
  };

  test("a definition that is missing is named with its file, that of a memory too", async () => {
    const { on, m1 } = await kept();
    on.disk.records.delete(m1.definition ?? "");
    await leaves(on, `snapshot web1/m1: its definition /fake/estrato/records/${m1.definition} is missing`);
    on.disk.records.delete(m1.memory?.definition ?? "");
    expect(await problems(on)).toHaveLength(2);
  });

  test("an image's definition too", async () => {
    const { on } = await kept();
    const wanted = { name: "golden", properties: {}, minDiskBytes: null, minRamBytes: null, protect: false };
    await createImage(command(on), wanted, { kind: "snapshot", snapshot: "web1/m1" });
    const golden = Object.values((await stateOf(on)).images).find(({ name }) => name === "golden");
    on.disk.records.delete(golden?.definition ?? "");
    await leaves(on, "image golden: its definition");
  });

  test("NVRAM that is missing, of a shelved instance and of a snapshot", async () => {
    const on = await shelved({ uefi: true });
    for (const path of [...on.machine.files.keys()].filter((file) => file.includes("/nvram/"))) {
      if (path.startsWith("/fake/estrato/")) on.machine.files.delete(path);
    }
    expect(await problems(on)).toContain("instance web1: it is shelved, and its NVRAM is missing");
  });
});

describe("of a shelved instance", () => {
  test("a reservation that somebody took away comes back", async () => {
    const on = await shelved();
    on.machine.networks.get("default")?.reservations.splice(0);
    await mends(on, "network default does not reserve");
    await unshelveInstance(command(on), "web1");
    expect(await problems(on)).toEqual([]);
  });

  test("a layer of it that can be written is frozen again", async () => {
    const on = await shelved();
    const { layers, images } = await stateOf(on);
    const image = Object.values(images).find(({ type }) => type === "shelved");
    const file = on.machine.files.get(layers[image?.disks[0]?.layer ?? ""]?.file ?? "");
    if (file) file.mode = 0o644;
    await mends(on, "and should be 0400: it is frozen");
  });

  test("an NVRAM copy and half a packed disk that nothing remembers go after a yes, or by themselves", async () => {
    const on = await shelved();
    const { host } = command(on);
    host.addFile("/fake/estrato/layers/img-stray.fd", { format: "raw", text: "boot order" });
    host.addFile("/fake/estrato/layers/lay-stray.qcow2.part", { format: "raw", content: { 0: "half" } });
    const no = command(on, { answer: false });
    expect((await repair(no)).map(({ subject, result }) => [subject.split(".").pop(), result])).toEqual([
      ["part", "mended"],
      ["fd", "left"],
    ]);
    await repair(command(on));
    expect(await problems(on)).toEqual([]);
  });

  test("a network that is gone, a domain of its id, and an image that is not recorded are named", async () => {
    const on = withArchive(await shelved());
    const id = await shelvedId(on);
    command(on).host.addDomain({ name: "other", uuid: id, disks: [], running: false });
    const network = on.machine.networks.get("default");
    on.machine.networks.delete("default");
    await leaves(on, "libvirt has a domain of its id", "its network default is not there");
    on.machine.domains.delete(id);
    if (network !== undefined) on.machine.networks.set("default", network);
    const image = (await recordOf(on)).shelved?.image ?? "";
    await command(on).store.update((draft) => void delete draft.images[image]);
    expect((await problems(on)).some((one) => one.includes(`its image ${image} is not recorded`))).toBe(true);
  });
});
