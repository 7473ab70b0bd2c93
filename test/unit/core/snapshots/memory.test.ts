import { describe, expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { createFlavor } from "../../../../src/core/flavors.ts";
import { resizeInstance } from "../../../../src/core/instances/resize.ts";
import type { Snapshot } from "../../../../src/core/model/state.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { viewSnapshots } from "../../../../src/core/snapshots/list.ts";
import { revertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { detailSnapshot } from "../../../../src/core/snapshots/show.ts";
import { EstratoError } from "../../../../src/errors.ts";
import {
  type Bed,
  command,
  creation,
  disksOf,
  everything,
  start,
  stateOf,
  stop,
  take,
  UUID,
  virsh,
  withGuest,
  write,
} from "../world.ts";

const keep = { discard: false, keepMs: 86_400_000 };
const domain = (on: Bed) => {
  const found = on.machine.domains.get(UUID);
  if (found === undefined) throw new Error("no guest");
  return found;
};
const remember = (on: Bed, word: string) => {
  domain(on).ram = word;
};
const memoryOf = (on: Bed, snapshot: Snapshot) => command(on).store.paths.memory(snapshot.memory?.file ?? "");
const detail = async (on: Bed, snapshot: Snapshot) => detailSnapshot(command(on), await stateOf(on), snapshot);

async function withMemory(): Promise<{ on: Bed; m1: Snapshot }> {
  const on = withGuest();
  remember(on, "counting: 7");
  const m1 = await take(on, "m1", { memory: true });
  write(on, 5, "later");
  remember(on, "counting: 9");
  return { on, m1 };
}

describe("a snapshot with memory", () => {
  test("says so, keeps the live definition, QEMU's version and the machine type, and is frozen", async () => {
    const { on, m1 } = await withMemory();
    expect(m1).toMatchObject({
      consistency: "memory",
      memory: {
        file: `${m1.id}.save`,
        paused: false,
        qemuVersion: "7.2.22",
        machine: "pc-q35-7.2",
        sizeBytes: 2 ** 20,
      },
    });
    expect(on.machine.files.get(memoryOf(on, m1))?.mode).toBe(0o400);
    expect(on.disk.records.get(`${m1.id}.live.xml`)).toContain(`/${m1.disks[0]?.volume}`);
    expect(await examine(command(on))).toEqual([]);
  });

  test("resumes what the guest remembered, on the disks of that instant, also where it was off", async () => {
    for (const before of ["running", "off"]) {
      const { on } = await withMemory();
      if (before === "off") await stop(on);
      const held = await disksOf(on);
      const world = command(on);
      await revertSnapshot(world, "web1/m1", keep);
      expect(domain(on)).toMatchObject({ ram: "counting: 7", state: "running" });
      expect(await disksOf(on)).toEqual({ vda: { 0: "boot", 1: "root", 2: "data" } });
      expect(held.vda?.[5]).toBe("later");
      expect(world.notes.join()).toMatch(
        before === "off" ? /^(?!.*is lost)/ : /what its memory held is lost; .* kept as/,
      );
    }
  });

  test("of a paused guest leaves it paused, and is paused again after a revert", async () => {
    const on = withGuest();
    await virsh(on, { do: "suspend", domain: UUID });
    await take(on, "m1", { memory: true });
    expect(domain(on).state).toBe("paused");
    await virsh(on, { do: "resume", domain: UUID });
    await revertSnapshot(command(on), "web1/m1", keep);
    expect(domain(on).state).toBe("paused");
  });

  test("counts with its size, and goes with its snapshot", async () => {
    const { on, m1 } = await withMemory();
    const [view] = await viewSnapshots(command(on), await stateOf(on), [m1], true);
    expect(view?.exclusive_bytes).toBeGreaterThanOrEqual(2 ** 20);
    const plan = await deleteSnapshot(command(on, { dryRun: true }), m1.id, { children: false });
    expect(plan?.freesBytes).toBe(view?.exclusive_bytes);
    await deleteSnapshot(command(on), m1.id, { children: false });
    expect(on.machine.files.has(memoryOf(on, m1))).toBe(false);
    expect(on.disk.records.has(`${m1.id}.live.xml`)).toBe(false);
  });

  test.each([
    ["an excluded disk", { excludeDisks: ["vda"] }, "running", "usage"],
    ["--quiesce require", { quiesce: "require" }, "running", "usage"],
    ["an instance that is off", {}, "off", "conflict"],
  ] as const)("is refused with %s, and nothing is changed", async (_, change, state, code) => {
    const on = withGuest({ running: state === "running" });
    const before = everything(on);
    const taking = createSnapshot(command(on), creation("m", { ...change, memory: true }));
    await expect(taking).rejects.toMatchObject({ code });
    expect(everything(on)).toBe(before);
  });

  test("is refused with a floppy in its drive, which a person can take out", async () => {
    const on = withGuest();
    command(on).host.addFile("/srv/floppy.img", { format: "raw" });
    const floppy =
      "<disk type='file' device='floppy'><source file='/srv/floppy.img'/><target dev='fda' bus='fdc'/></disk>";
    const guest = domain(on);
    guest.live = (guest.live ?? "").replace("<devices>", `<devices>${floppy}`);
    guest.inactive = guest.inactive.replace("<devices>", `<devices>${floppy}`);
    await expect(createSnapshot(command(on), creation("m", { memory: true }))).rejects.toMatchObject({
      code: "conflict",
      hint: expect.stringMatching(/virsh change-media \S+ fda --eject/),
    });
  });

  test("is refused where there is no room for it", async () => {
    const on = withGuest();
    on.machine.freeBytes = 200 * 2 ** 20;
    await expect(createSnapshot(command(on), creation("m", { memory: true }))).rejects.toMatchObject({ code: "host" });
  });
});

describe("a revert to memory is refused before anything is touched", () => {
  test.each<[string, (on: Bed, m1: Snapshot) => unknown, string, RegExp]>([
    [
      "with a disk that it does not know",
      async (on) => {
        command(on).host.addFile("/disks/extra.qcow2");
        const disk = { device: "vdb", path: "/disks/extra.qcow2", format: "qcow2", readonly: false, serial: null };
        await virsh(on, { do: "attach-disk", domain: UUID, disk });
      },
      "conflict",
      /knows nothing of vdb/,
    ],
    ["without its file", (on, m1) => on.machine.files.delete(memoryOf(on, m1)), "integrity", /is missing/],
    [
      "without its machine type",
      (on) => {
        on.machine.capabilities = { ...on.machine.capabilities, machines: ["pc-q35-8.0"] };
      },
      "host",
      /needs the machine type pc-q35-7\.2/,
    ],
    [
      "with an older QEMU",
      (on) => {
        on.machine.capabilities = { ...on.machine.capabilities, qemuVersion: "6.2.0" };
      },
      "host",
      /was written by QEMU 7\.2\.22, and this is 6\.2\.0/,
    ],
  ])("%s, and `show` says why", async (_, spoil, code, words) => {
    const { on, m1 } = await withMemory();
    expect(await detail(on, m1)).toMatchObject({
      restorable: true,
      restorable_reason: null,
      requires: { qemu_version: "7.2.22", machine: "pc-q35-7.2" },
    });
    await spoil(on, m1);
    expect(await detail(on, m1)).toMatchObject({ restorable: false, restorable_reason: expect.stringMatching(words) });
    const before = everything(on);
    await expect(revertSnapshot(command(on), "web1/m1", keep)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(words),
    });
    expect(everything(on)).toBe(before);
  });
});

describe("doctor", () => {
  test("says what memory is missing, sets its mode, and removes what no snapshot remembers after a yes", async () => {
    const { on, m1 } = await withMemory();
    const path = memoryOf(on, m1);
    const file = on.machine.files.get(path);
    if (file === undefined) throw new Error("no memory");
    file.mode = 0o600;
    const stray = path.replace(m1.id, "snap-stray");
    on.machine.files.set(stray, { ...file });
    const world = command(on);
    await repair(world);
    expect(file.mode).toBe(0o400);
    expect(on.machine.files.has(stray)).toBe(false);
    expect(world.asked.map((one) => one.loses)).toEqual([[expect.stringContaining(stray)]]);
    on.machine.files.delete(path);
    expect(await examine(command(on))).toMatchObject([{ subject: path, mending: null }]);
  });
});

describe("instance resize", () => {
  const size = { flavor: null, vcpus: 2, ramBytes: 512 * 2 ** 20, restart: false, timeoutMs: 1000 };

  test("drops snapshots with memory after a yes, and keeps those of disks", async () => {
    const { on, m1 } = await withMemory();
    const disks = await take(on, "d1");
    await stop(on);
    const no = command(on, { answer: false });
    const before = everything(on);
    await resizeInstance(no, "web1", size);
    expect(no.asked.map((one) => one.loses)).toEqual([["snapshot web1/m1 (with memory)"]]);
    expect(everything(on)).toBe(before);
    await resizeInstance(command(on), "web1", size);
    expect(Object.keys((await stateOf(on)).snapshots)).toEqual([disks.id]);
    expect(on.machine.files.has(memoryOf(on, m1))).toBe(false);
    expect((await command(on).host.domainStatus(UUID))?.inactive).toMatchObject({ vcpus: 2, ramBytes: 512 * 2 ** 20 });
    await start(on);
    expect(await examine(command(on))).toEqual([]);
  });

  test("is refused where it runs, and restarts it where that is asked for", async () => {
    const on = withGuest();
    await expect(resizeInstance(command(on), "web1", size)).rejects.toMatchObject({ code: "conflict" });
    await resizeInstance(command(on), "web1", { ...size, restart: true });
    expect(domain(on).state).toBe("running");
    expect((await command(on).host.domainStatus(UUID))?.live).toMatchObject({ vcpus: 2 });
  });

  test("drops no protected snapshot, and asks nothing where the size is the same", async () => {
    const on = withGuest();
    await take(on, "m1", { memory: true, protect: true });
    await stop(on);
    await expect(resizeInstance(command(on), "web1", size)).rejects.toMatchObject({ code: "conflict" });
    const world = command(on);
    await resizeInstance(world, "web1", { ...size, vcpus: 1, ramBytes: 256 * 2 ** 20 });
    expect(world.host.performed).toEqual([]);
  });

  test("is the same size to the MiB, which is what libvirt gives", async () => {
    const { on } = await withMemory();
    const world = command(on);
    const [least, most] = [255 * 2 ** 20 + 1, 256 * 2 ** 20];
    for (const ramBytes of [least, most]) await resizeInstance(world, "web1", { ...size, vcpus: 1, ramBytes });
    await createFlavor(world.store, world.clock, { name: "odd", vcpus: 1, ramBytes: least, diskBytes: 0 }, false);
    await resizeInstance(world, "web1", { ...size, flavor: "odd", vcpus: null, ramBytes: null, restart: true });
    expect(world.asked).toEqual([]);
    expect(domain(on)).toMatchObject({ state: "running", ram: "counting: 9" });
    expect((await stateOf(on)).instances[UUID]?.flavor).toBe("odd");
  });

  test.each([
    ["usage", { vcpus: 4097 }],
    ["usage", { ramBytes: 2 ** 20 - 1 }],
    ["host", { vcpus: 289 }],
    ["host", { ramBytes: 2 ** 40 }],
  ])("is refused (%s) before anything is asked or touched: %o", async (code, wrong) => {
    const { on } = await withMemory();
    const before = everything(on);
    for (const dryRun of [false, true]) {
      const world = command(on, { dryRun });
      const wanted = { ...size, ...wrong, restart: true };
      await expect(resizeInstance(world, "web1", wanted)).rejects.toMatchObject({ code });
      expect(world.asked).toEqual([]);
    }
    expect(everything(on)).toBe(before);
    on.machine.limits = { vcpus: null, ramBytes: null };
    if (code === "host") await resizeInstance(command(on), "web1", { ...size, ...wrong, restart: true });
  });

  test("that libvirt refuses stops nobody", async () => {
    const { on, m1 } = await withMemory();
    const world = command(on);
    world.host.failNext("define", new EstratoError("failed", "virsh define: more than 255 vCPUs"));
    await expect(resizeInstance(world, "web1", { ...size, restart: true })).rejects.toMatchObject({ code: "failed" });
    expect(domain(on)).toMatchObject({ state: "running", ram: "counting: 9" });
    expect((await stateOf(on)).snapshots[m1.id]).toBeDefined();
  });

  test("that does not start leaves the size that it had, and the memory of that", async () => {
    const { on, m1 } = await withMemory();
    const world = command(on);
    world.host.failNext("start", new EstratoError("failed", "virsh start: Cannot allocate memory"));
    await expect(resizeInstance(world, "web1", { ...size, restart: true })).rejects.toMatchObject({ code: "failed" });
    expect(world.notes).toContain("web1: it has the size again that it had");
    expect((await command(on).host.domainStatus(UUID))?.live).toMatchObject({ vcpus: 1, ramBytes: 256 * 2 ** 20 });
    await revertSnapshot(command(on), `web1/${m1.name}`, keep);
    expect(domain(on).ram).toBe("counting: 7");
  });
});
