import { describe, expect, test } from "vitest";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { findInstance } from "../../../../src/core/instances/find.ts";
import { listInstances } from "../../../../src/core/instances/list.ts";
import { setInstance } from "../../../../src/core/instances/set.ts";
import { showInstance } from "../../../../src/core/instances/show.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import { parseGoal, waitForInstance } from "../../../../src/core/instances/wait.ts";
import { command, creation, type Estate, IMAGE_BYTES, newEstate, snapshotOf, stateOf } from "./world.ts";

async function estateOfTwo(): Promise<Estate> {
  const estate = newEstate();
  await createInstance(command(estate), creation({ properties: { role: "front" } }));
  const { host } = command(estate);
  host.addFile("/srv/legacy.img", { format: "raw" });
  host.addDomain({
    name: "legacy",
    running: false,
    disks: [{ device: "vda", path: "/srv/legacy.img", format: "raw" }],
  });
  return estate;
}

describe("instance list", () => {
  test("shows what estrato made and what it never touched, by name", async () => {
    const [legacy, web1, ...none] = await listInstances(command(await estateOfTwo()), { macs: false, volumes: true });
    expect(none).toEqual([]);
    expect(legacy).toMatchObject({
      name: "legacy",
      status: "shutoff",
      managed: false,
      image: null,
      volumes: [],
      created_at: null,
      properties: {},
    });
    expect(web1).toMatchObject({
      name: "web1",
      status: "active",
      managed: true,
      flavor: null,
      vcpus: 1,
      ram_bytes: 256 * 1024 ** 2,
      image: "debian12",
      image_id: "img-debian12",
      key_name: "mykey",
      addresses: ["192.168.122.2"],
      volumes: [{ device: "vda", size_bytes: IMAGE_BYTES }],
      properties: { role: "front" },
    });
  });

  test("shows one whose memory libvirt has saved as saved, until it is started", async () => {
    const estate = await estateOfTwo();
    const [legacy] = [...estate.machine.domains.values()].filter(({ inactive }) => inactive.includes("legacy"));
    if (legacy) legacy.managedSave = true;
    const word = async () => (await listInstances(command(estate), { macs: false, volumes: true }))[0]?.status;
    expect(await word()).toBe("saved");
    expect((await showInstance(command(estate), "legacy")).status).toBe("saved");
    await waitForInstance(command(estate), "legacy", parseGoal("status=saved"), 0);
    const plan = await startInstance(command(estate, { dryRun: true }), "legacy");
    expect(plan?.steps.map(({ title }) => title)).toEqual(["Resume legacy from the memory that libvirt saved"]);
    await startInstance(command(estate), "legacy");
    expect(await word()).toBe("active");
  });

  test("shows a lease where nothing is reserved", async () => {
    const estate = await estateOfTwo();
    estate.machine.networks.get("default")?.leases.push({ mac: "52:54:00:aa:bb:cc", ip: "192.168.122.40" });
    await command(estate).host.perform({ do: "start", domain: "legacy", paused: false });
    const [legacy] = await listInstances(command(estate), { macs: false, volumes: true });
    expect(legacy?.addresses).toEqual(["192.168.122.40"]);
  });

  test("asks libvirt for MACs where they are to be shown", async () => {
    const estate = await estateOfTwo();
    const [legacy] = await listInstances(command(estate), { macs: true, volumes: true });
    expect(legacy?.macs).toEqual(["52:54:00:aa:bb:cc"]);
  });

  test("shows an instance whose domain libvirt has lost, and one that is being made", async () => {
    const estate = newEstate();
    await createInstance(command(estate), creation());
    estate.machine.domains.clear();
    expect(await listInstances(command(estate), { macs: false, volumes: true })).toMatchObject([
      { name: "web1", status: "error", vcpus: null },
    ]);
    await createInstance(
      command(estate, { crash: { at: "action", index: 1, phase: "before" } }),
      creation({ name: "web2" }),
    ).catch(() => undefined);
    expect((await listInstances(command(estate), { macs: false, volumes: true })).map((one) => one.status)).toEqual([
      "error",
      "build",
    ]);
  });
});

describe("instance show", () => {
  test("asks the agent for an address where none is reserved", async () => {
    const estate = await estateOfTwo();
    const { host } = command(estate);
    await host.perform({ do: "start", domain: "legacy", paused: false });
    for (const domain of estate.machine.domains.values()) domain.addresses = ["127.0.0.1", "fe80::1", "10.1.2.3"];
    const shown = await showInstance(command(estate), "legacy");
    const channel = host.parseDefinition([...estate.machine.domains.values()][1]?.inactive ?? "").agentChannel;
    expect(shown.addresses).toEqual(channel ? ["10.1.2.3"] : []);
  });

  test("does not take a number for a name", async () => {
    await expect(findInstance(command(await estateOfTwo()), "1")).rejects.toMatchObject({ code: "not_found" });
  });

  test("shows one whose domain libvirt has lost, which other verbs refuse", async () => {
    const estate = await estateOfTwo();
    estate.machine.domains.clear();
    expect(await showInstance(command(estate), "web1")).toMatchObject({ status: "error" });
    await expect(findInstance(command(estate), "web1")).rejects.toMatchObject({ code: "integrity" });
  });
});

describe("instance set", () => {
  const nothing = { name: null, properties: {}, dropProperties: [], autostart: null };

  test("renames one that is off, adds and drops properties, and sets autostart", async () => {
    const estate = newEstate();
    await createInstance(command(estate), creation({ start: false, properties: { a: "1", b: "2" } }));
    await setInstance(command(estate), "web1", {
      name: "shop",
      properties: { c: "3" },
      dropProperties: ["a"],
      autostart: true,
    });
    const [record] = Object.values((await stateOf(estate)).instances);
    expect(record).toMatchObject({ name: "shop", properties: { b: "2", c: "3" } });
    expect([...estate.machine.domains.values()][0]).toMatchObject({ autostart: true });
    expect((await showInstance(command(estate), "shop")).name).toBe("shop");
  });

  test("refuses to rename what runs, or to a name that is taken, and changes nothing", async () => {
    const estate = await estateOfTwo();
    const before = snapshotOf(estate);
    await expect(setInstance(command(estate), "web1", { ...nothing, name: "shop" })).rejects.toMatchObject({
      code: "conflict",
    });
    await expect(setInstance(command(estate), "legacy", { ...nothing, name: "web1" })).rejects.toMatchObject({
      code: "conflict",
    });
    await expect(setInstance(command(estate), "legacy", { ...nothing, name: "a/b" })).rejects.toMatchObject({
      code: "usage",
    });
    expect(snapshotOf(estate)).toEqual(before);
  });

  test("adopts a guest for the sake of a property", async () => {
    const estate = await estateOfTwo();
    await setInstance(command(estate), "legacy", { ...nothing, properties: { a: "1" } });
    expect(await showInstance(command(estate), "legacy")).toMatchObject({ managed: true, properties: { a: "1" } });
  });
});

describe("wait", () => {
  test("ends when the instance is as wished", async () => {
    const world = command(await estateOfTwo());
    await waitForInstance(world, "web1", parseGoal("status=active"), 0);
    await waitForInstance(world, "web1", parseGoal("agent"), 0);
  });

  test("does not take a reserved address for one that the guest has", async () => {
    const estate = await estateOfTwo();
    const waiting = waitForInstance(command(estate), "web1", parseGoal("address"), 5_000);
    await expect(waiting).rejects.toMatchObject({ code: "timeout", message: "instance web1: no address within 5 s" });
    estate.machine.networks.get("default")?.leases.push({ mac: "52:54:00:00:00:01", ip: "192.168.122.2" });
    await waitForInstance(command(estate), "web1", parseGoal("address"), 0);
  });

  test("says at once what can never happen, and what is no goal", async () => {
    const estate = await estateOfTwo();
    await expect(waitForInstance(command(estate), "legacy", parseGoal("agent"), 5_000)).rejects.toMatchObject({
      code: "conflict",
    });
    expect(() => parseGoal("happiness")).toThrow(/not something to wait for/);
  });
});
