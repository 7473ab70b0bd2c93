import { describe, expect, test } from "vitest";
import { rebuildInstance } from "../../../../src/core/instances/rebuild.ts";
import { adoptInstance } from "../../../../src/core/instances/release.ts";
import type { Snapshot } from "../../../../src/core/model/state.ts";
import type { PlanView } from "../../../../src/core/operations/steps.ts";
import { shelveInstance } from "../../../../src/core/shelving/shelve.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { createVolumeSnapshot } from "../../../../src/core/snapshots/create-volume.ts";
import { EstratoError } from "../../../../src/errors.ts";
import type { FakeDomain } from "../../../fake/host-machine.ts";
import { requireSound } from "../crashes.ts";
import { addImage } from "../instances/world.ts";
import {
  type Bed,
  command,
  contentsOf,
  copyOf,
  creation,
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

const TWO = [{ content: { 0: "boot" } }, { content: { 0: "data" }, format: "raw" }] as const;
const BOTH = { vda: { 0: "boot" }, vdb: { 0: "data" } };

async function refused(on: Bed, code: string, change: Parameters<typeof creation>[1] = {}, name: string | null = "s1") {
  const before = everything(on);
  await expect(createSnapshot(command(on), creation(name, change))).rejects.toMatchObject({ code });
  expect(everything(on)).toBe(before);
}

describe("a snapshot", () => {
  test.each([
    ["of a running guest is crash-consistent", true, "crash"],
    ["of one that is off is consistent", false, "offline"],
  ])("%s, holds all disks, and the guest goes on in new heads", async (_, running, consistency) => {
    const on = withGuest({ running, disks: TWO });
    const snapshot = await take(on, "s1");
    expect(snapshot).toMatchObject({ name: "s1", consistency, parent: null, owner: "ana", automatic: false });
    if (!running) await start(on);
    write(on, 0, "overwritten");
    write(on, 9, "new", "vdb");
    expect(await contentsOf(on, snapshot.id)).toEqual(BOTH);
    expect(await disksOf(on)).toEqual({ vda: { 0: "overwritten" }, vdb: { 0: "data", 9: "new" } });
    await requireSound(on, "after");
  });

  test("is of the guest that libvirt calls so, whatever it was called when it was recorded", async () => {
    const on = withGuest({ running: false });
    await take(on, "s1");
    await virsh(on, { do: "rename", domain: UUID, name: "web9" });
    const old = await createSnapshot(command(on), creation("s2"));
    expect(old).toMatchObject({ instance: UUID });
    const other = "99999999-2222-4333-8444-555555555555";
    const { host } = command(on);
    host.addFile("/disks/other.qcow2", { content: {}, format: "qcow2" });
    const disks = [{ device: "vda", path: "/disks/other.qcow2", format: "qcow2" }] as const;
    host.addDomain({ name: "web1", uuid: other, disks, running: false, agent: false });
    expect(await createSnapshot(command(on), creation("s3"))).toMatchObject({ instance: other });
    expect(await createSnapshot(command(on), creation("s4", { instance: "web9" }))).toMatchObject({ instance: UUID });
  });

  test("of a paused guest leaves it paused", async () => {
    const on = withGuest();
    await virsh(on, { do: "suspend", domain: UUID });
    expect((await take(on, "s1")).consistency).toBe("crash");
    expect(on.machine.domains.get(UUID)?.state).toBe("paused");
  });

  test("moves no data", async () => {
    const on = withGuest();
    const world = command(on);
    await createSnapshot(world, creation("s1"));
    const moving = ["commit", "rebase", "convert", "block-pull", "block-commit", "block-commit-active"];
    expect(world.host.performed.map((action) => action.do).filter((kind) => moving.includes(kind))).toEqual([]);
  });

  test("adopts a guest that estrato did not make, and says so", async () => {
    const on = withGuest();
    const world = command(on);
    await createSnapshot(world, creation("s1"));
    expect(world.notes.join()).toContain("web1: adopted");
    const foreign = Object.values((await stateOf(on)).layers).find((layer) => layer.foreign !== null);
    expect(foreign).toMatchObject({ file: "/disks/web1-vda.qcow2", frozen: true, foreign: { mode: 0o640 } });
  });

  test("keeps the definition with volumes for paths", async () => {
    const on = withGuest();
    const snapshot = await take(on, "s1");
    const kept = await command(on).store.readRecord(snapshot.definition ?? "");
    expect(kept).toContain(`/${snapshot.disks[0]?.volume}`);
    expect(kept).not.toContain("/disks/");
  });

  test("keeps what it is told: description, properties, expiry, protection", async () => {
    const change = { description: "d", properties: { k: "v" }, expiresAt: "2030-01-01T00:00:00.000Z", protect: true };
    const { protect, ...said } = change;
    expect(await take(withGuest(), "s1", change)).toMatchObject({ ...said, protected: protect });
  });

  test("knows the one before it", async () => {
    const on = withGuest();
    const [first, second] = [await take(on, "s1"), await take(on, "s2")];
    expect([first.parent, second.parent]).toEqual([null, first.id]);
  });
});

describe("its name", () => {
  test("is made from the time where none is given, and never twice", async () => {
    const on = withGuest();
    const first = (await createSnapshot(command(on), creation(null))) as Snapshot;
    const second = (await createSnapshot(command(on), creation(null))) as Snapshot;
    expect([first.name, second.name]).toEqual(["20250101-000000", "20250101-000000-2"]);
  });

  test("is refused where it is taken", async () => {
    const on = withGuest();
    await take(on, "s1");
    await refused(on, "conflict");
  });
});

describe("quiescing", () => {
  test.each(["try", "require"] as const)("reaches the file systems where the agent answers (%s)", async (quiesce) => {
    const on = withGuest();
    expect((await take(on, "s1", { quiesce })).consistency).toBe("filesystem");
    expect(on.machine.domains.get(UUID)?.frozen).toBe(false);
  });

  test("is not asked for with off", async () => {
    expect((await take(withGuest(), "s1", { quiesce: "off" })).consistency).toBe("crash");
  });

  test("is left out with try where the agent is silent", async () => {
    expect((await take(withGuest({ agent: false }), "s1", { quiesce: "try" })).consistency).toBe("crash");
  });

  test("is needed with require: refused where the agent is silent or the guest is paused", async () => {
    await refused(withGuest({ agent: false }), "host", { quiesce: "require" });
    const on = withGuest();
    await virsh(on, { do: "suspend", domain: UUID });
    await refused(on, "host", { quiesce: "require" });
  });

  test("is not needed with require where the guest is off: it is consistent", async () => {
    expect((await take(withGuest({ running: false }), "s1", { quiesce: "require" })).consistency).toBe("offline");
  });

  test("that fails in the freeze gives a crash-consistent snapshot with try, and says why", async () => {
    const on = withGuest();
    const world = command(on);
    world.host.failNext("switch-disks", new EstratoError("failed", "the guest agent timed out"));
    const snapshot = (await createSnapshot(world, creation("s1", { quiesce: "try" }))) as Snapshot;
    expect(snapshot.consistency).toBe("crash");
    expect(world.notes.join()).toContain("the guest agent timed out");
    expect(world.host.performed.map((action) => action.do)).toContain("thaw");
    await requireSound(on, "after");
  });

  test("that fails in the freeze fails with require, and leaves nothing behind", async () => {
    const on = withGuest();
    const world = command(on);
    world.host.failNext("switch-disks", new EstratoError("failed", "the guest agent timed out"));
    const work = createSnapshot(world, creation("s1", { quiesce: "require" }));
    await expect(work).rejects.toMatchObject({ code: "failed" });
    expect((await stateOf(on)).snapshots).toEqual({});
    await requireSound(on, "after");
    expect(await disksOf(on)).toEqual({ vda: FIRST });
  });
});

describe("a disk that is excluded", () => {
  test("stays where it is, and is named", async () => {
    const on = withGuest({ disks: TWO });
    const snapshot = await take(on, "s1", { excludeDisks: ["vdb"] });
    expect(snapshot).toMatchObject({ excluded: ["vdb"], disks: [{ device: "vda" }] });
    expect(on.machine.domains.get(UUID)?.open[1]?.chain).toEqual(["/disks/web1-vdb.raw"]);
    await requireSound(on, "after");
  });

  test.each([
    ["only until it stops", "live"],
    ["with its next start", "inactive"],
  ] as const)("is one that the guest has %s, and is named to libvirt where QEMU has it", async (_, scope) => {
    const on = withGuest();
    const { host } = command(on);
    host.addFile("/disks/more.qcow2", { content: { 0: "more" } });
    const disk = { device: "vdc", path: "/disks/more.qcow2", format: "qcow2", readonly: false, serial: null };
    await virsh(on, { do: "attach-disk", domain: UUID, disk });
    const domain = on.machine.domains.get(UUID) as FakeDomain;
    const other = scope === "live" ? "inactive" : "live";
    domain[other] = host.editDefinition(domain[other] ?? "", { disks: { vdc: null } });
    if (scope === "inactive") domain.open = domain.open.filter(({ device }) => device !== "vdc");
    const world = command(on);
    expect(await createSnapshot(world, creation("s1"))).toMatchObject({ disks: [{ device: "vda" }] });
    const told = world.host.performed.flatMap((action) => (action.do === "switch-disks" ? action.excluded : []));
    expect(told).toEqual(scope === "live" ? ["vdc"] : []);
    const note = "web1: vdc: in no definition, and gone when it stops: not in the snapshot";
    expect(world.notes.includes(note)).toBe(scope === "live");
    await requireSound(on, "with it");
    await stop(on);
    await start(on);
    const devices = (await take(on, "s2")).disks.map(({ device }) => device);
    expect(devices).toEqual(scope === "live" ? ["vda"] : ["vda", "vdc"]);
  });

  test("must be there", () => refused(withGuest(), "usage", { excludeDisks: ["vdz"] }));

  test("may not be the only one", () => refused(withGuest(), "conflict", { excludeDisks: ["vda"] }));
});

test("a disk that the guest shares by now gets no new head, by no verb, and can be left out", async () => {
  const on = withGuest({ running: false, disks: TWO });
  await adoptInstance(command(on), "web1");
  await command(on).store.update((draft) => addImage(draft, "two", ["vda", "vdb"]));
  for (const { file, foreign } of Object.values((await stateOf(on)).layers))
    if (foreign === null) command(on).host.addFile(file, { mode: 0o400 });
  const xml = on.machine.domains.get(UUID)?.inactive ?? "";
  await virsh(on, { do: "define", xml: xml.replace(/(?<=vdb\.raw'\/>)/, "<shareable/>") });
  const before = everything(on);
  const volume = { ...creation("v1"), volume: "web1/vdb" };
  for (const work of [
    () => createSnapshot(command(on), creation("s1")),
    () => createVolumeSnapshot(command(on), volume),
    () => rebuildInstance(command(on), "web1", { image: "two", keepMs: 1000, trustOwner: false }),
    () => shelveInstance(command(on), "web1", { offload: false, folder: null, timeoutMs: 1000 }),
  ])
    await expect(work()).rejects.toMatchObject({
      code: "conflict",
      message: "instance web1: its disk vdb is shared with others (<shareable/>)",
    });
  expect(everything(on)).toBe(before);
  await take(on, "s1", { excludeDisks: ["vdb"] });
  await requireSound(on, "left out");
});

describe("a dry run", () => {
  test.each([
    ["running", true, "off"],
    ["off", false, "off"],
    ["running, quiesced", true, "require"],
    ["running, tried to quiesce", true, "try"],
  ] as const)("changes nothing, and names the very commands that are run then (%s)", async (_, running, quiesce) => {
    const on = withGuest({ running, disks: TWO });
    await take(on, "s0");
    const [before, other] = [everything(on), copyOf(on)];
    const again = copyOf(on);
    const plan = (await createSnapshot(command(other, { dryRun: true }), creation("s1", { quiesce }))) as PlanView;
    expect(everything(other)).toBe(before);
    const world = command(again);
    await createSnapshot(world, creation("s1", { quiesce }));
    const done = world.host.told;
    expect(plan.steps.flatMap((step) => step.commands)).toEqual(done);
  });
});

describe("a chain", () => {
  async function chainOf(layers: number): Promise<Bed> {
    const on = withGuest({ running: false });
    for (let made = 1; made < layers; made += 1) await take(on, `s${made}`);
    return on;
  }

  test("of up to 16 layers is nobody's business, and a longer one is worth a note", async () => {
    const on = await chainOf(15);
    const [sixteenth, next] = [command(on), command(on)];
    await createSnapshot(sixteenth, creation("sixteen"));
    expect(sixteenth.notes).toEqual([]);
    await createSnapshot(next, creation("seventeen"));
    expect(next.notes.join()).toContain("would stand on 16 layers");
  });

  test("is refused at the host's limit, with the way out", async () => {
    const on = await chainOf(24);
    Object.assign(on.machine.capabilities, { maxChain: 24 });
    await refused(on, "conflict", {}, "one too many");
    const error = await createSnapshot(command(on), creation("one too many")).catch((one: EstratoError) => one);
    expect((error as EstratoError).hint).toContain("estrato snapshot delete web1/s1");
  });
});

test("a head that has grown under the guest is not cut off", async () => {
  const on = withGuest();
  await take(on, "s1");
  await stop(on);
  const head =
    (await disksOf(on)) && command(on).host.parseDefinition(on.machine.domains.get(UUID)?.inactive ?? "").disks[0];
  await virsh(on, { do: "resize-disk", path: head?.source ?? "", format: "qcow2", sizeBytes: 32 * 65536 });
  await start(on);
  write(on, 30, "beyond");
  const snapshot = await take(on, "s2");
  expect(snapshot.disks[0]?.sizeBytes).toBe(32 * 65536);
  expect(await contentsOf(on, snapshot.id)).toEqual({ vda: { ...FIRST, 30: "beyond" } });
  write(on, 31, "still there");
  await requireSound(on, "after");
});
