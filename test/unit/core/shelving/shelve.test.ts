import { describe, expect, test } from "vitest";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { deleteImage } from "../../../../src/core/images/delete.ts";
import { setImage } from "../../../../src/core/images/set.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { listInstances } from "../../../../src/core/instances/list.ts";
import { adoptInstance } from "../../../../src/core/instances/release.ts";
import { showInstance } from "../../../../src/core/instances/show.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import { waitForInstance } from "../../../../src/core/instances/wait.ts";
import { shelveInstance } from "../../../../src/core/shelving/shelve.ts";
import { unshelveInstance } from "../../../../src/core/shelving/unshelve.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import { deleteVolume } from "../../../../src/core/volumes/delete.ts";
import type { FakeDomain, FakeFile } from "../../../fake/host-machine.ts";
import { creation as newInstance } from "../instances/world.ts";
import { type Bed, command, everything, FIRST, creation as newSnapshot, stateOf, withGuest } from "../world.ts";
import {
  ARCHIVE,
  archived,
  domainState,
  held,
  idOf,
  NOW,
  packed,
  plain,
  putAway,
  recordOf,
  requireSound,
  shelved,
  withArchive,
  withInstance,
} from "./world.ts";

const domainOf = async (on: Bed) => on.machine.domains.get(await idOf(on)) as FakeDomain;

describe("shelve", () => {
  test("takes the domain out of libvirt, and keeps all that is shown of the instance", async () => {
    const on = await withInstance();
    const before = await showInstance(command(on), "web1");
    await shelveInstance(command(on), "web1", plain);
    await requireSound(on, "shelved");
    expect(on.machine.domains.size).toBe(0);
    const after = await showInstance(command(on), "web1");
    expect(after).toEqual({ ...before, status: "shelved", status_reason: null, disks: [] });
    expect((await listInstances(command(on), { macs: true, volumes: true }))[0]).toMatchObject({
      status: "shelved",
      macs: before.macs,
    });
    const [image] = Object.values((await stateOf(on)).images).filter(({ type }) => type === "shelved");
    expect(image).toMatchObject({ name: "web1-shelved", source: { kind: "instance", name: "web1" } });
  });

  test("is done where it is so already, and moves no data", async () => {
    const on = await withInstance();
    const world = command(on);
    await shelveInstance(world, "web1", plain);
    expect(world.host.performed.map((action) => action.do)).not.toContain("convert");
    const now = everything(on);
    expect(await shelveInstance(command(on), "web1", plain)).toBeNull();
    expect(everything(on)).toBe(now);
  });

  test("powers a guest off that does not shut down in time, and says so", async () => {
    const on = await withInstance();
    (await domainOf(on)).obedient = false;
    const world = command(on);
    await shelveInstance(world, "web1", plain);
    expect(world.notes).toContainEqual(expect.stringContaining("did not shut down within 60 s"));
    await requireSound(on, "shelved");
  });

  test("lets a paused guest run on, to write what it has in memory", async () => {
    const on = await withInstance({ paused: true });
    const world = command(on);
    await shelveInstance(world, "web1", plain);
    expect(world.host.performed.map((action) => action.do).slice(0, 2)).toEqual(["resume", "shutdown"]);
    await unshelveInstance(command(on), "web1");
    expect(await domainState(on)).toBe("running");
  });

  test.each<[string, (domain: FakeDomain) => void]>([
    ["a managed save", (domain) => Object.assign(domain, { managedSave: true })],
    ["snapshots of libvirt's own", (domain) => domain.snapshots.push("theirs")],
    ["checkpoints", (domain) => domain.checkpoints.push("theirs")],
    ["no persistent definition", (domain) => Object.assign(domain, { persistent: false })],
  ])("refuses %s, and changes nothing", async (_, spoil) => {
    const on = await withInstance();
    spoil(await domainOf(on));
    const before = everything(on);
    await expect(shelveInstance(command(on), "web1", plain)).rejects.toMatchObject({ code: "conflict" });
    expect(everything(on)).toBe(before);
  });

  test("refuses where another image has the name", async () => {
    const on = await withInstance();
    const options = { properties: {}, withoutProperties: [], minDiskBytes: null, minRamBytes: null, protect: null };
    await setImage(command(on), "debian12", { ...options, name: "web1-shelved" });
    const before = everything(on);
    await expect(shelveInstance(command(on), "web1", plain)).rejects.toMatchObject({ code: "conflict" });
    expect(everything(on)).toBe(before);
  });

  test("starts it again where something goes wrong after it was stopped", async () => {
    const on = await withInstance();
    const world = command(on);
    world.host.failNext("create-disk", new Error("no space left"));
    await expect(shelveInstance(world, "web1", plain)).rejects.toThrow("no space left");
    await requireSound(on, "undone");
    expect(await domainState(on)).toBe("running");
  });

  test("is of the name that libvirt calls it by, and comes back by that", async () => {
    const on = await withInstance();
    await command(on).host.perform({ do: "destroy", domain: "web1" });
    await command(on).host.perform({ do: "rename", domain: "web1", name: "www" });
    await shelveInstance(command(on), "www", plain);
    expect(Object.values((await stateOf(on)).instances).map(({ name }) => name)).toEqual(["www"]);
    await unshelveInstance(command(on), "www");
    expect(command(on).host.parseDefinition([...on.machine.domains.values()][0]?.inactive ?? "").name).toBe("www");
  });

  test("takes a disk that is defined by another name of its file", async () => {
    const on = withGuest({ running: false });
    await adoptInstance(command(on), "web1");
    const [path, link] = ["/disks/web1-vda.qcow2", "/link/web1.qcow2"];
    on.machine.files.set(link, on.machine.files.get(path) as FakeFile);
    const disks = [{ device: "vda", path: link, format: "qcow2" }];
    await command(on).host.perform({ do: "redefine", domain: "web1", disks });
    await startInstance(command(on), "web1");
    await shelveInstance(command(on), "web1", plain);
    expect(on.machine.domains.size).toBe(0);
    await unshelveInstance(command(on), "web1");
    expect(await domainState(on)).toBe("running");
    expect(await held(on)).toEqual(FIRST);
  });

  test("says in a dry run what it would do, and does nothing", async () => {
    const on = await withInstance();
    const before = everything(on);
    const plan = await shelveInstance(command(on, { dryRun: true }), "web1", packed);
    expect(plan?.steps.map(({ title }) => title)).toEqual([
      "Stop it",
      "Keep the definition",
      "Make new heads",
      "Freeze the layers",
      "Record it as shelved",
      "Undefine the domain",
      "Pack the disks of web1",
      "Compare the copies with the disks",
      "Make new heads",
      "Record the packed layers",
      "Remove the old file",
      "Remove the old file",
    ]);
    expect(everything(on)).toBe(before);
  });
});

describe("a shelved instance", () => {
  test("has no domain for the verbs that need one", async () => {
    const on = await shelved();
    const world = command(on);
    for (const refused of [
      () => startInstance(world, "web1"),
      () => createSnapshot(world, newSnapshot("s2")),
      () => waitForInstance(world, "web1", { kind: "agent" }, 1000),
      () => deleteImage(world, "web1-shelved"),
    ]) {
      await expect(refused()).rejects.toMatchObject({ code: "conflict", hint: expect.stringContaining("nshelve") });
    }
    await waitForInstance(world, "web1", { kind: "status", status: "shelved" }, 1000);
  });

  test("keeps what it holds when the snapshot under it is deleted, and libvirt is not asked to redefine it", async () => {
    const on = await shelved();
    const world = command(on);
    await deleteSnapshot(world, "web1/s1", { children: false });
    expect(world.host.performed.map((action) => action.do)).not.toContain("redefine");
    expect(await held(on)).toEqual(NOW);
    await unshelveInstance(command(on), "web1");
    expect(command(on).host.guestRead("web1", "vda")).toEqual(NOW);
    expect(await examine(command(on))).toEqual([]);
  });

  test("goes without a trace when it is deleted", async () => {
    const on = await shelved({ uefi: true });
    await deleteInstance(command(on), "web1", { keepVolumes: false });
    const state = await stateOf(on);
    expect([state.instances, state.volumes, state.snapshots]).toEqual([{}, {}, {}]);
    expect(Object.keys(state.layers)).toEqual(["lay-debian12-vda"]);
    expect(Object.keys(state.images)).toEqual(["img-debian12"]);
    expect(on.disk.records.size).toBe(0);
    expect(on.machine.networks.get("default")?.reservations).toEqual([]);
    expect(await examine(command(on))).toEqual([]);
  });

  test("leaves its volume, whole, where its deletion is to keep it", async () => {
    const on = await shelved();
    await deleteInstance(command(on), "web1", { keepVolumes: true });
    const state = await stateOf(on);
    const [volume] = Object.values(state.volumes);
    expect(volume).toMatchObject({ instance: null, deleteWithInstance: false });
    expect(command(on).host.read(state.layers[volume?.head ?? ""]?.file ?? "")).toEqual(NOW);
    expect(await examine(command(on))).toEqual([]);
  });

  test("is not deleted while its image is protected", async () => {
    const on = await shelved();
    const options = { name: null, properties: {}, withoutProperties: [], minDiskBytes: null, minRamBytes: null };
    await setImage(command(on), "web1-shelved", { ...options, protect: true });
    const deletion = deleteInstance(command(on), "web1", { keepVolumes: false });
    await expect(deletion).rejects.toMatchObject({ code: "conflict" });
  });

  test("can be the source of another, and both hold what it held", async () => {
    const on = await shelved();
    const source = { kind: "image", target: "web1-shelved" } as const;
    await createInstance(command(on), newInstance({ name: "web2", source }));
    command(on).host.guestWrite("web2", "vda", 5, "of web2");
    await unshelveInstance(command(on), "web1");
    command(on).host.guestWrite("web1", "vda", 6, "of web1");
    expect(command(on).host.guestRead("web1", "vda")).toEqual({ ...NOW, 6: "of web1" });
    expect(command(on).host.guestRead("web2", "vda")).toEqual({ ...NOW, 5: "of web2" });
    expect(await examine(command(on))).toEqual([]);
  });

  test("is looked at by doctor, who misses its definition, and a domain that should not be", async () => {
    const on = await shelved();
    const { shelved: shelf } = await recordOf(on);
    on.disk.records.delete(`${shelf?.image}.xml`);
    command(on).host.addDomain({ name: "other", uuid: await idOf(on), disks: [], running: false });
    const problems = (await examine(command(on))).map(({ problem }) => problem);
    expect(problems).toEqual([
      "it is shelved, and its definition is missing",
      "it is shelved, and libvirt has a domain of its id",
    ]);
  });
});

describe("unshelve", () => {
  test("brings the same domain back, without the image, and starts it where it ran", async () => {
    const on = await withInstance({ uefi: true });
    const before = await showInstance(command(on), "web1");
    await shelveInstance(command(on), "web1", plain);
    await unshelveInstance(command(on), "web1");
    await requireSound(on, "unshelved");
    expect(await showInstance(command(on), "web1")).toEqual(before);
    const domain = await domainOf(on);
    expect([domain.state, domain.autostart]).toEqual(["running", true]);
    const { nvram } = command(on).host.parseDefinition(domain.inactive);
    expect(on.machine.files.get(nvram ?? "")?.text).toBe("boot order");
  });

  test("leaves one off that was off", async () => {
    const on = await shelved({ running: false });
    await unshelveInstance(command(on), "web1");
    expect(await domainState(on)).toBe("shutoff");
  });

  test("refuses one that is not shelved", async () => {
    const on = await withInstance();
    await expect(unshelveInstance(command(on), "web1")).rejects.toMatchObject({ code: "conflict" });
  });

  test.each<[string, string, (on: Bed) => void | Promise<void>]>([
    ["its name is another domain's", "conflict", (on) => void command(on).host.addDomain({ name: "web1", disks: [] })],
    [
      "libvirt has a domain of its id",
      "conflict",
      async (on) => void command(on).host.addDomain({ name: "web9", uuid: await idOf(on), disks: [] }),
    ],
    ["its network is gone", "host", (on) => void on.machine.networks.delete("default")],
    [
      "its network is not active",
      "host",
      (on) => void Object.assign(on.machine.networks.get("default") ?? {}, { active: false }),
    ],
    [
      "its address has been given to another",
      "conflict",
      async (on) => {
        const [address] = (await recordOf(on)).addresses;
        on.machine.networks.get("default")?.reservations.splice(0, 1, {
          mac: "52:54:00:99:99:99",
          ip: address?.ip ?? "",
          name: null,
        });
      },
    ],
    [
      "a file of it is missing",
      "integrity",
      async (on) => {
        const { layers, images } = await stateOf(on);
        const image = Object.values(images).find(({ type }) => type === "shelved");
        on.machine.files.delete(layers[image?.disks[0]?.layer ?? ""]?.file ?? "");
      },
    ],
  ])("leaves it shelved where %s", async (_, code, spoil) => {
    const on = await shelved({ uefi: true });
    await spoil(on);
    const before = everything(on);
    await expect(unshelveInstance(command(on), "web1")).rejects.toMatchObject({ code });
    expect(everything(on)).toBe(before);
  });

  test("says in a dry run what it would do, and does nothing", async () => {
    const on = await shelved({ uefi: true });
    const before = everything(on);
    const plan = await unshelveInstance(command(on, { dryRun: true }), "web1");
    expect(plan?.steps.map(({ title }) => title)).toEqual([
      "Put back what the firmware kept",
      "Reserve its address",
      "Define the domain",
      "Start it with the host",
      "Record it as unshelved",
      "Remove what the image kept",
      "Merge the layer down",
      "Re-point what stands on it",
      "Remove the old file",
      "Start it",
    ]);
    expect(everything(on)).toBe(before);
  });
});

describe("shelve --offload", () => {
  test("packs the disks into layers that stand on nothing, and the old ones go", async () => {
    const on = await withInstance();
    const world = command(on);
    await shelveInstance(world, "web1", packed);
    await requireSound(on, "packed");
    expect(world.asked).toHaveLength(1);
    const state = await stateOf(on);
    const image = Object.values(state.images).find(({ type }) => type === "shelved");
    expect(state.layers[image?.disks[0]?.layer ?? ""]).toMatchObject({ parent: null, frozen: true });
    expect(Object.keys(state.layers)).toHaveLength(4); // the base image's, the snapshot's, the packed one, the head
    await unshelveInstance(command(on), "web1");
    expect(command(on).host.guestRead("web1", "vda")).toEqual(NOW);
    await requireSound(on, "unshelved");
  });

  test("packs one that is shelved already, once", async () => {
    const on = await shelved();
    await shelveInstance(command(on), "web1", packed);
    expect((await recordOf(on)).shelved?.offloaded).toBe(true);
    const now = everything(on);
    await shelveInstance(command(on), "web1", packed);
    expect(everything(on)).toBe(now);
  });

  test("does nothing without a yes", async () => {
    const on = await withInstance();
    const before = everything(on);
    await shelveInstance(command(on, { answer: false }), "web1", packed);
    expect(everything(on)).toBe(before);
  });

  test("refuses a disk that was there before estrato, and touches nothing", async () => {
    const on = withGuest();
    const before = everything(on);
    await expect(shelveInstance(command(on), "web1", packed)).rejects.toMatchObject({ code: "conflict" });
    expect(everything(on)).toBe(before);
  });

  test("refuses one for which there is no room", async () => {
    const on = await withInstance();
    on.machine.freeBytes = 65 * 1024 ** 2;
    await expect(shelveInstance(command(on), "web1", packed)).rejects.toMatchObject({ code: "host" });
    expect(await domainState(on)).toBe("running");
  });
});

describe("shelve --offload --target", () => {
  const away = async (): Promise<Bed> => {
    const on = withArchive(await withInstance());
    await shelveInstance(command(on), "web1", putAway);
    return on;
  };

  test("puts the packed disks into that folder, and unshelve brings them back into the store", async () => {
    const on = await away();
    await requireSound(on, "put away");
    expect(archived(on)).toHaveLength(1);
    expect(on.machine.files.get(archived(on)[0] ?? "")?.mode).toBe(0o400);
    await unshelveInstance(command(on), "web1");
    await requireSound(on, "unshelved");
    expect(command(on).host.guestRead("web1", "vda")).toEqual(NOW);
    expect(archived(on)).toEqual([]);
    expect(on.machine.files.get(`${ARCHIVE}/mine.txt`)?.text).toBe("mine");
  });

  test("says what stays in the folder, since something else that was made of it stands on it", async () => {
    const on = withArchive(await withInstance());
    await shelveInstance(command(on), "web1", putAway);
    const source = { kind: "image", target: "web1-shelved", disk: null } as const;
    await createVolume(command(on), { name: "copy", source, sizeBytes: null });
    const world = command(on);
    await unshelveInstance(world, "web1");
    const [path = ""] = archived(on);
    expect(world.notes).toContain(`web1: vda still stands on ${path}, as does volume copy: that file must stay there`);
    expect(await held(on)).toEqual(NOW);
    await deleteVolume(command(on), "copy");
    expect(archived(on)).toEqual([]);
    await requireSound(on, "alone");
  });

  test("shows in a dry run of unshelve that the data comes back", async () => {
    const plan = await unshelveInstance(command(await away(), { dryRun: true }), "web1");
    expect(plan?.steps.map(({ title }) => title)).toContain("Merge the layer up");
  });

  test("says so where the folder is not there when it is needed, and goes on when it is", async () => {
    const on = await away();
    const [path = ""] = archived(on);
    const file = on.machine.files.get(path);
    on.machine.files.delete(path);
    const before = everything(on);
    const refused = await unshelveInstance(command(on), "web1").catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: "host",
      message: `instance web1: disk vda: ${path} is not there`,
      hint: expect.stringContaining(`Mount ${ARCHIVE}`),
    });
    expect(everything(on)).toBe(before);
    expect((await examine(command(on))).map(({ subject }) => subject)).toEqual([path]);
    on.machine.files.set(path, file as NonNullable<typeof file>);
    await unshelveInstance(command(on), "web1");
    await requireSound(on, "unshelved");
  });

  test("refuses to bring back what there is no room for", async () => {
    const on = await away();
    on.machine.freeBytes = 65 * 1024 ** 2;
    const before = everything(on);
    on.machine.freeBytes = 64 * 1024 ** 2;
    await expect(unshelveInstance(command(on), "web1")).rejects.toMatchObject({ code: "host" });
    on.machine.freeBytes = 65 * 1024 ** 2;
    expect(everything(on)).toBe(before);
  });

  test("goes from there when the instance is deleted; what cannot be removed is named", async () => {
    const on = await away();
    const other = await away();
    await deleteInstance(command(on), "web1", { keepVolumes: false });
    expect(archived(on)).toEqual([]);
    const [path = ""] = archived(other);
    other.machine.files.delete(path);
    const world = command(other);
    await deleteInstance(world, "web1", { keepVolumes: false });
    expect(world.notes).toContainEqual(expect.stringContaining(`${path}: is not there to be removed`));
    expect(Object.keys((await stateOf(other)).instances)).toEqual([]);
  });

  test.each([
    ["a folder that is not there", "/mnt/nothing", "not_found"],
    ["a folder of the store", "/fake/estrato/layers", "conflict"],
  ])("refuses %s, and touches nothing", async (_, folder, code) => {
    const on = await withInstance();
    const before = everything(on);
    await expect(shelveInstance(command(on), "web1", { ...putAway, folder })).rejects.toMatchObject({ code });
    expect(everything(on)).toBe(before);
  });

  test("leaves disks where they are that were packed before, and says where", async () => {
    const on = withArchive(await shelved());
    await shelveInstance(command(on), "web1", packed);
    const now = everything(on);
    const world = command(on);
    await shelveInstance(world, "web1", putAway);
    expect(world.notes).toEqual(["web1: its disks are packed already, in /fake/estrato/layers, and stay there"]);
    expect(everything(on)).toBe(now);
  });
});
