/** Somebody undefines a guest of ours: doctor defines it again as it was, on the heads that its volumes have today. */
import { describe, expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { setInstance } from "../../../../src/core/instances/set.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { attachVolume } from "../../../../src/core/volumes/attach.ts";
import { EstratoError } from "../../../../src/errors.ts";
import { requireSound } from "../crashes.ts";
import { everyEnd } from "../ends.ts";
import { creation, newEstate } from "../instances/world.ts";
import { withVolume } from "../volumes/world.ts";
import {
  type Bed,
  command,
  disksOf,
  everything,
  FIRST,
  start,
  stateOf,
  stop,
  take,
  UUID,
  virsh,
  withGuest,
  write,
} from "../world.ts";

const undefine = (on: Bed, domain = UUID) => virsh(on, { do: "undefine", domain, nvram: false });

/** Of a store whose libvirt is known: what that does not have is lost. */
async function bound(on: Bed): Promise<Bed> {
  const binding = { machine: "m", machineName: "m", uri: "qemu:///system", home: "/fake/estrato", user: null };
  await command(on).store.update((draft) => {
    draft.binding = binding;
  });
  return on;
}

async function prepared(running = false): Promise<Bed> {
  const on = await bound(withGuest({ running }));
  await take(on, "s1");
  return on;
}

const problems = async (on: Bed) => (await examine(command(on))).map(({ problem }) => problem);
const inactive = (on: Bed) => on.machine.domains.get(UUID)?.inactive ?? "";

async function mends(on: Bed): Promise<void> {
  const no = everything(on);
  await repair(command(on, { answer: false }));
  expect(everything(on)).toBe(no);
  const world = command(on);
  expect((await repair(world)).map(({ result }) => result)).toEqual(["mended"]);
  expect(world.asked.map(({ loses }) => loses.length > 0)).toEqual([true]);
  expect(await problems(on)).toEqual([]);
}

async function refuses(on: Bed, words: string): Promise<void> {
  const before = everything(on);
  expect(await problems(on)).toEqual([expect.stringContaining(words)]);
  expect((await repair(command(on))).map(({ result }) => result)).toEqual(["left"]);
  expect(everything(on)).toBe(before);
}

describe("a guest that is off", () => {
  test("is defined again as it was, after a yes", async () => {
    const on = await prepared();
    const before = inactive(on);
    await undefine(on);
    expect(await problems(on)).toEqual([`libvirt has no domain ${UUID}`]);
    await mends(on);
    const { host } = command(on);
    expect(host.parseDefinition(inactive(on)).disks).toEqual(host.parseDefinition(before).disks);
    await requireSound(on, "defined again");
  });

  test("gets the head that it has today, and reads the same", async () => {
    const on = await prepared();
    await take(on, "s2");
    await start(on);
    write(on, 3, "newest");
    await stop(on);
    await deleteSnapshot(command(on), "web1/s1", { children: false });
    await undefine(on);
    await mends(on);
    expect(await disksOf(on)).toEqual({ vda: { ...FIRST, 3: "newest" } });
    await startInstance(command(on), "web1");
  });

  test("has the memory and the interfaces that somebody gave it, and starts with the host as before", async () => {
    const on = await prepared();
    const { host } = command(on);
    await virsh(on, { do: "define", xml: host.editDefinition(inactive(on), { ramBytes: 2 ** 30 }) });
    const set = { name: null, properties: {}, dropProperties: [], autostart: true };
    await setInstance(command(on), "web1", set);
    await undefine(on);
    await mends(on);
    expect(host.parseDefinition(inactive(on)).ramBytes).toBe(2 ** 30);
    expect(on.machine.domains.get(UUID)?.autostart).toBe(true);
  });

  test("has a volume that was attached since, and no longer one that was detached", async () => {
    const on = await bound(await withVolume({ running: false }));
    await attachVolume(command(on), "web1", "data1");
    const [uuid = ""] = on.machine.domains.keys();
    await undefine(on, uuid);
    expect((await repair(command(on))).map(({ result }) => result)).toEqual(["mended"]);
    const { disks } = command(on).host.parseDefinition(on.machine.domains.get(uuid)?.inactive ?? "");
    expect(disks.map(({ device }) => device)).toContain("vdb");
    expect(await problems(on)).toEqual([]);
  });

  test("is defined from its newest snapshot where nothing newer was kept", async () => {
    const on = await prepared();
    on.disk.records.delete(`${UUID}.xml`);
    await undefine(on);
    await mends(on);
    expect(await disksOf(on)).toEqual({ vda: FIRST });
  });

  test("is left where nothing of it was kept", async () => {
    const on = await prepared();
    on.disk.records.delete(`${UUID}.xml`);
    const { definition } = Object.values((await stateOf(on)).snapshots)[0] ?? {};
    await undefine(on);
    on.disk.records.delete(definition ?? "");
    expect(await problems(on)).toContainEqual(expect.stringContaining("no definition of it is kept"));
  });

  test("is left where its name is another's", async () => {
    const on = await prepared();
    await undefine(on);
    command(on).host.addDomain({
      name: "web1",
      uuid: "22222222-2222-4333-8444-555555555555",
      disks: [],
      running: false,
    });
    await refuses(on, "the name web1 is another domain's now (22222222-2222-4333-8444-555555555555)");
  });

  test("is left where another domain has its disk", async () => {
    const on = await prepared();
    const [disk] = command(on).host.parseDefinition(inactive(on)).disks;
    await undefine(on);
    const disks = [{ device: "vdc", path: disk?.source ?? "", format: "qcow2" }];
    command(on).host.addDomain({ name: "other", uuid: "22222222-2222-4333-8444-555555555555", disks, running: false });
    expect(await problems(on)).toContainEqual(
      expect.stringContaining("its disk vda is also, or may be, instance other vdc"),
    );
  });

  test("is left where a file lies on its disk that it may have written to", async () => {
    const on = await prepared();
    const [disk] = command(on).host.parseDefinition(inactive(on)).disks;
    await undefine(on);
    const backing = { path: disk?.source ?? "", format: "qcow2" };
    command(on).host.addFile(`${disk?.source}.other`, { format: "qcow2", backing, content: { 5: "newer" } });
    expect(await problems(on)).toContainEqual(expect.stringContaining("lies on its disk vda, and may be newer"));
    await repair(command(on));
    expect(on.machine.domains.size).toBe(0);
  });

  test("is left where another domain has its disk under another name, or one that cannot be read", async () => {
    const [OTHER, LINK] = ["22222222-2222-4333-8444-555555555555", "/elsewhere/link.qcow2"];
    for (const damaged of [false, true]) {
      const on = await prepared();
      const [disk] = command(on).host.parseDefinition(inactive(on)).disks;
      const file = on.machine.files.get(disk?.source ?? "");
      if (file === undefined) throw new Error("no head");
      await undefine(on);
      on.machine.files.set(LINK, damaged ? { ...file } : file);
      const disks = [{ device: "vdc", path: LINK, format: "qcow2" }];
      command(on).host.addDomain({ name: "other", uuid: OTHER, disks, running: false });
      const world = command(on);
      const { imageChain } = world.host;
      world.host.imageChain = async (path, format) => {
        if (damaged && path === LINK) throw new EstratoError("host", "it cannot be read");
        return imageChain(path, format);
      };
      const problem = expect.stringContaining("its disk vda is also, or may be, instance other vdc");
      expect(await examine(world)).toContainEqual(expect.objectContaining({ problem }));
      await repair(world);
      expect(on.machine.domains.has(UUID)).toBe(false);
    }
  });

  test("keeps its NVRAM while it is undefined", async () => {
    const on = await prepared();
    const nvram = "/fake/estrato/layers/lay-0123456789abcdef0.fd";
    const { host } = command(on);
    host.addFile(nvram, { format: "raw", text: "boot order" });
    const uefi = inactive(on).replace("<os>", `<os firmware='efi'><nvram>${nvram}</nvram>`);
    await virsh(on, { do: "define", xml: uefi });
    await startInstance(command(on), "web1");
    await stop(on);
    await undefine(on);
    await mends(on);
    expect(host.parseDefinition(inactive(on)).nvram).toBe(nvram);
    expect(on.machine.files.has(nvram)).toBe(true);
  });
});

describe("a guest that runs on", () => {
  test("is defined while it runs, and nothing of it is touched", async () => {
    const on = await prepared(true);
    write(on, 3, "newest");
    const before = structuredClone(on.machine.domains.get(UUID));
    await undefine(on);
    expect(on.machine.domains.get(UUID)?.persistent).toBe(false);
    expect(await problems(on)).toEqual(["libvirt has no definition of it, and forgets it when it stops"]);
    await mends(on);
    expect(on.machine.domains.get(UUID)).toMatchObject({ persistent: true, live: before?.live, open: before?.open });
    await stop(on);
    expect(await disksOf(on)).toEqual({ vda: { ...FIRST, 3: "newest" } });
  });

  test("is left where QEMU writes to another file than is recorded", async () => {
    const on = await prepared(true);
    await undefine(on);
    const [open] = on.machine.domains.get(UUID)?.open ?? [];
    if (open) open.chain = ["/disks/web1-vda.qcow2"];
    await refuses(on, "QEMU writes to /disks/web1-vda.qcow2");
  });
});

test("nothing is merged below a guest that is undefined, but once it is defined again", async () => {
  const on = await prepared();
  await take(on, "s2");
  const held = await disksOf(on);
  await undefine(on);
  const layers = Object.keys((await stateOf(on)).layers);
  const world = command(on);
  await deleteSnapshot(world, "web1/s2", { children: false });
  expect(world.notes).toEqual([]);
  expect(await world.store.journal.list()).toEqual([]);
  expect(Object.keys((await stateOf(on)).layers)).toEqual(layers);
  await mends(on);
  expect(Object.keys((await stateOf(on)).layers)).toHaveLength(layers.length - 1);
  expect(await disksOf(on)).toEqual(held);
});

test("an operation that was killed, and whose guest is undefined then, is ended by the same repair", async () => {
  const { ends } = await everyEnd("killed", {
    prepare: async () => {
      const on = await prepared();
      await take(on, "s2");
      return on;
    },
    run: (world) => deleteSnapshot(world, "web1/s2", { children: false }),
  });
  for (const end of ends) {
    const on = await end.strike();
    await undefine(on);
    expect(
      (await repair(command(on))).map(({ result }) => result),
      end.point,
    ).not.toContain("left");
    expect(await problems(on), end.point).toEqual([]);
    await requireSound(on, end.point);
  }
});

test("what is kept of an instance goes with it", async () => {
  const on = newEstate();
  await createInstance(command(on), creation());
  const [uuid = ""] = on.machine.domains.keys();
  expect([...on.disk.records.keys()]).toEqual([`${uuid}.xml`]);
  await deleteInstance(command(on), "web1", { keepVolumes: false });
  expect([...on.disk.records.keys()]).toEqual([]);
});
