import { describe, expect, test } from "vitest";
import { createImageFromSnapshot } from "../../../../src/core/images/create-from-snapshot.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import { stopInstance } from "../../../../src/core/instances/stop.ts";
import type { Instance } from "../../../../src/core/model/state.ts";
import type { PlanView } from "../../../../src/core/operations/steps.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { attachVolume } from "../../../../src/core/volumes/attach.ts";
import { command, creation, type Estate, newEstate, snapshotOf, stateOf, wrongs } from "./world.ts";

const ALL = { keepVolumes: false };

async function withWeb1(): Promise<Estate> {
  const estate = newEstate();
  await createInstance(command(estate), creation());
  return estate;
}

const snapshot = (estate: Estate, instance: string, name: string, protect = false) =>
  createSnapshot(command(estate), {
    instance,
    name,
    quiesce: "off",
    excludeDisks: [],
    description: null,
    properties: {},
    expiresAt: null,
    protect,
  });

describe("instance delete", () => {
  test("plans to power off only what runs", async () => {
    const estate = await withWeb1();
    const planned = async () => {
      const { steps } = (await deleteInstance(command(estate, { dryRun: true }), "web1", ALL)) as PlanView;
      return steps.map(({ title }) => title);
    };
    expect(await planned()).toEqual(expect.arrayContaining(["Stop it", "Undefine it"]));
    const [uuid = ""] = Object.keys((await stateOf(estate)).instances);
    await command(estate).host.perform({ do: "destroy", domain: uuid });
    expect(await planned()).toContain("Undefine it");
    expect(await planned()).not.toContain("Stop it");
  });

  test("leaves nothing of a running instance and its snapshots, and the image as it was", async () => {
    const estate = await withWeb1();
    await snapshot(estate, "web1", "s1");
    const world = command(estate);
    const [uuid = ""] = Object.keys((await stateOf(estate)).instances);
    world.host.addFile(`${world.store.paths.consoleLog(uuid)}.1`, { format: "raw" });
    await deleteInstance(world, "web1", ALL);
    const state = await stateOf(estate);
    expect([state.instances, state.volumes, state.snapshots]).toEqual([{}, {}, {}]);
    expect([...estate.machine.files.keys()]).toEqual(["/fake/estrato/layers/lay-debian12-vda.qcow2"]);
    expect(estate.machine.networks.get("default")?.reservations).toEqual([]);
    expect([...estate.disk.records.keys()]).toEqual([]);
    expect(await wrongs(estate)).toEqual([]);
  });

  test("leaves images that were made from its snapshots", async () => {
    const estate = await withWeb1();
    command(estate).host.guestWrite("web1", "vda", 2, "kept");
    await snapshot(estate, "web1", "s1");
    await createImageFromSnapshot(command(estate), {
      name: "golden",
      snapshot: "web1/s1",
      properties: {},
      minDiskBytes: null,
      minRamBytes: null,
      protect: false,
      visibility: "private",
    } as never);
    await deleteInstance(command(estate), "web1", ALL);
    const clone = (await createInstance(
      command(estate),
      creation({ source: { kind: "image", target: "golden" } }),
    )) as Instance;
    expect(command(estate).host.guestRead(clone.id, "vda")).toMatchObject({ 2: "kept" });
    expect(await wrongs(estate)).toEqual([]);
  });

  test("leaves instances that were made from its snapshots", async () => {
    const estate = await withWeb1();
    command(estate).host.guestWrite("web1", "vda", 2, "kept");
    await snapshot(estate, "web1", "s1");
    await createInstance(command(estate), creation({ name: "clone", source: { kind: "snapshot", target: "web1/s1" } }));
    await deleteInstance(command(estate), "web1", ALL);
    expect(command(estate).host.guestRead("clone", "vda")).toMatchObject({ 2: "kept" });
    expect(await wrongs(estate)).toEqual([]);
  });

  test("asks first, naming what is lost; a no changes nothing", async () => {
    const estate = await withWeb1();
    await snapshot(estate, "web1", "s1");
    const before = snapshotOf(estate);
    const world = command(estate);
    let asked: readonly string[] = [];
    world.report.confirm = async ({ loses }) => {
      asked = loses;
      return false;
    };
    await deleteInstance(world, "web1", ALL);
    expect(asked).toEqual([
      "what is in its memory: it runs",
      expect.stringMatching(/^disk vda \(vol-.*, 1 MiB\), made now$/),
      "snapshot web1/s1, made now",
    ]);
    expect(snapshotOf(estate)).toEqual(before);
  });

  test.each([
    ["has got a snapshot", (estate: Estate) => snapshot(estate, "web1", "later")],
    ["has been started", (estate: Estate) => startInstance(command(estate), "web1")],
  ])("deletes nothing where it %s since it was asked about", async (what, work) => {
    const estate = await withWeb1();
    await stopInstance(command(estate), "web1", { force: true, timeoutMs: 0, wait: true });
    const world = command(estate);
    world.report.confirm = async () => {
      await work(estate);
      return true;
    };
    await expect(deleteInstance(world, "web1", ALL)).rejects.toThrow(`instance web1: it ${what} meanwhile`);
    expect(Object.keys((await stateOf(estate)).instances)).toHaveLength(1);
    expect(await wrongs(estate)).toEqual([]);
  });

  test("refuses a protected snapshot, and what libvirt holds of its own", async () => {
    const estate = await withWeb1();
    await snapshot(estate, "web1", "s1", true);
    await expect(deleteInstance(command(estate), "web1", ALL)).rejects.toMatchObject({ code: "conflict" });
    const other = await withWeb1();
    for (const change of [{ snapshots: ["x"] }, { checkpoints: ["x"] }]) {
      for (const domain of other.machine.domains.values()) {
        Object.assign(domain, { snapshots: [], checkpoints: [] }, change);
      }
      const before = snapshotOf(other);
      await expect(deleteInstance(command(other), "web1", ALL)).rejects.toMatchObject({ code: "conflict" });
      expect(snapshotOf(other)).toEqual(before);
    }
  });

  test("names the memory that libvirt has saved as lost, and removes it with the rest", async () => {
    const estate = await withWeb1();
    const { host } = command(estate);
    await host.perform({ do: "destroy", domain: "web1" });
    for (const domain of estate.machine.domains.values()) domain.managedSave = true;
    const world = command(estate);
    await deleteInstance(world, "web1", ALL);
    expect(world.asked[0]?.loses).toContain("the memory that libvirt saved of it");
    expect(estate.machine.domains.size).toBe(0);
    expect(await wrongs(estate)).toEqual([]);
  });

  test("--keep-volumes detaches them all", async () => {
    const estate = await withWeb1();
    await deleteInstance(command(estate), "web1", { keepVolumes: true });
    expect(Object.values((await stateOf(estate)).volumes)).toEqual([
      expect.objectContaining({ instance: null, device: null, deleteWithInstance: false }),
    ]);
    expect(await wrongs(estate)).toEqual([]);
  });

  /** web2 gets the volume, and is deleted. */
  const WAYS: [way: string, give: (estate: Estate, volume: string) => Promise<unknown>][] = [
    [
      "attached",
      async (estate, volume) => {
        await createInstance(command(estate), creation({ name: "web2" }));
        await attachVolume(command(estate), "web2", volume);
      },
    ],
    [
      "booted from",
      (estate, target) =>
        createInstance(command(estate), creation({ name: "web2", source: { kind: "volume", target } })),
    ],
    [
      "given at its creation",
      (estate, volume) => createInstance(command(estate), creation({ name: "web2", volumes: [volume] })),
    ],
  ];

  /** What web1 leaves, and what it reads as. */
  async function leftOfWeb1(estate: Estate): Promise<string> {
    command(estate).host.guestWrite("web1", "vda", 2, "kept");
    await deleteInstance(command(estate), "web1", { keepVolumes: true });
    const [volume] = Object.values((await stateOf(estate)).volumes);
    if (volume === undefined) throw new Error("no volume");
    return volume.id;
  }

  async function staysAfterWeb2(estate: Estate, id: string): Promise<void> {
    await deleteInstance(command(estate), "web2", ALL);
    const { volumes, layers } = await stateOf(estate);
    expect(Object.keys(volumes)).toEqual([id]);
    expect(command(estate).host.read(layers[volumes[id]?.head ?? ""]?.file ?? "")).toMatchObject({ 2: "kept" });
    expect(await wrongs(estate)).toEqual([]);
  }

  test.each(WAYS)("what was kept so stays when an instance goes that it was %s", async (_, give) => {
    const estate = await withWeb1();
    const id = await leftOfWeb1(estate);
    await give(estate, id);
    await staysAfterWeb2(estate, id);
  });

  test.each(WAYS)("as does one that an earlier version kept as the first one's, %s", async (_, give) => {
    const estate = await withWeb1();
    const id = await leftOfWeb1(estate);
    await command(estate).store.update((draft) => {
      const volume = draft.volumes[id];
      if (volume) volume.deleteWithInstance = true;
    });
    await give(estate, id);
    await staysAfterWeb2(estate, id);
  });

  test("forgets an instance whose domain libvirt has lost", async () => {
    const estate = await withWeb1();
    estate.machine.domains.clear();
    await deleteInstance(command(estate), "web1", ALL);
    expect((await stateOf(estate)).instances).toEqual({});
    expect(await wrongs(estate)).toEqual([]);
  });

  test("--dry-run changes nothing and shows the commands of the real run, the collecting among them", async () => {
    const estate = await withWeb1();
    await snapshot(estate, "web1", "s1");
    const before = snapshotOf(estate);
    const plan = (await deleteInstance(command(estate, { dryRun: true }), "web1", ALL)) as PlanView;
    expect(snapshotOf(estate)).toEqual(before);
    const world = command(estate);
    await deleteInstance(world, "web1", ALL);
    const real = world.host.told;
    expect(plan.steps.flatMap((step) => step.commands)).toEqual(real);
  });
});

describe("instance delete of a guest that was there before", () => {
  const legacy = async (): Promise<Estate> => {
    const estate = newEstate();
    const { host } = command(estate);
    host.addFile("/srv/legacy.img", { format: "raw", mode: 0o644, uid: 7, gid: 8, content: { 0: "old" } });
    host.addDomain({
      name: "legacy",
      running: false,
      disks: [{ device: "vda", path: "/srv/legacy.img", format: "raw" }],
    });
    return estate;
  };

  test("undefines one that was never adopted, and touches no disk", async () => {
    const estate = await legacy();
    await deleteInstance(command(estate), "legacy", ALL);
    expect(estate.machine.domains.size).toBe(0);
    expect(estate.machine.files.get("/srv/legacy.img")).toMatchObject({ mode: 0o644, uid: 7, gid: 8 });
  });

  test("gives an adopted one's disk back with what the guest last wrote, its owner and its mode", async () => {
    const estate = await legacy();
    await snapshot(estate, "legacy", "s1");
    await command(estate).host.perform({ do: "start", domain: "legacy", paused: false });
    command(estate).host.guestWrite("legacy", "vda", 1, "new");
    const world = command(estate);
    await deleteInstance(world, "legacy", ALL);
    expect(world.host.read("/srv/legacy.img")).toEqual({ 0: "old", 1: "new" });
    expect(estate.machine.files.get("/srv/legacy.img")).toMatchObject({ mode: 0o644, uid: 7, gid: 8 });
    expect(world.notes).toContain("legacy: vda was there before estrato and stays: /srv/legacy.img");
    const state = await stateOf(estate);
    expect([state.instances, state.volumes, Object.keys(state.layers)]).toEqual([{}, {}, ["lay-debian12-vda"]]);
  });

  test("keeps as a volume what cannot go back yet, since it is nowhere else", async () => {
    const estate = await legacy();
    await snapshot(estate, "legacy", "s1");
    await createInstance(
      command(estate),
      creation({ name: "clone", source: { kind: "snapshot", target: "legacy/s1" } }),
    );
    const world = command(estate);
    await deleteInstance(world, "legacy", ALL);
    expect(world.notes).toContainEqual(expect.stringMatching(/^legacy: vda stays as volume vol-/));
    expect(await wrongs(estate)).toEqual([]);
  });
});
