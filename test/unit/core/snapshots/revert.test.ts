import { describe, expect, test } from "vitest";
import type { PlanView } from "../../../../src/core/operations/steps.ts";
import { type Reverted, revertSnapshot, unrevertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { setSnapshot } from "../../../../src/core/snapshots/set.ts";
import { EstratoError } from "../../../../src/errors.ts";
import { requireSound } from "../crashes.ts";
import {
  type Bed,
  command,
  contentsOf,
  copyOf,
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

const DAY_MS = 86_400_000;
const keep = { discard: false, keepMs: DAY_MS };
const LATER = { vda: { ...FIRST, 2: "later" } };

/** s1 holds FIRST; the disk has been written to since. */
async function written(running = true): Promise<Bed> {
  const on = withGuest();
  await take(on, "s1");
  write(on, 2, "later");
  if (!running) await stop(on);
  return on;
}

const revert = (on: Bed, target = "web1/s1", options = keep) =>
  revertSnapshot(command(on), target, options) as Promise<Reverted>;
const unrevert = (on: Bed) => unrevertSnapshot(command(on), "web1", keep) as Promise<Reverted>;
const domainState = (on: Bed) => on.machine.domains.get(UUID)?.state;

describe("a revert", () => {
  test.each([true, false])(
    "brings back what the snapshot holds; running before, running after (%s)",
    async (running) => {
      const on = await written(running);
      await revert(on);
      expect(domainState(on)).toBe(running ? "running" : "shutoff");
      expect(await disksOf(on)).toEqual({ vda: FIRST });
      await requireSound(on, "reverted");
    },
  );

  test("leaves a paused guest paused", async () => {
    const on = await written();
    await virsh(on, { do: "suspend", domain: UUID });
    await revert(on);
    expect(domainState(on)).toBe("paused");
    expect(await disksOf(on)).toEqual({ vda: FIRST });
  });

  test("does not change the snapshot, nor what is written afterwards", async () => {
    const on = await written();
    await revert(on);
    write(on, 0, "rewritten");
    const [s1] = Object.values((await stateOf(on)).snapshots).filter(({ name }) => name === "s1");
    expect(await contentsOf(on, s1?.id ?? "")).toEqual({ vda: FIRST });
    expect(await disksOf(on)).toEqual({ vda: { ...FIRST, 0: "rewritten" } });
  });

  test("keeps what the disks held for a day, as an automatic snapshot", async () => {
    const on = await written();
    const { kept } = await revert(on);
    expect(kept).toMatchObject({ automatic: true, expiresAt: "2025-01-02T00:01:00.000Z" });
    expect(await contentsOf(on, kept?.id ?? "")).toEqual(LATER);
  });

  test("goes back from a disk that nobody can read any more", async () => {
    const on = await written(false);
    const world = command(on);
    const [disk] = world.host.parseDefinition(on.machine.domains.get(UUID)?.inactive ?? "").disks;
    const { imageInfo } = world.host;
    world.host.imageInfo = async (path, how) => {
      if (path === disk?.source) throw new EstratoError("host", `${path}: it is damaged`);
      return imageInfo(path, how);
    };
    await revertSnapshot(world, "web1/s1", keep);
    expect(await disksOf(on)).toEqual({ vda: FIRST });
  });

  test("keeps nothing with --discard: the bytes go", async () => {
    const on = await written();
    const files = on.machine.files.size;
    expect((await revert(on, "web1/s1", { discard: true, keepMs: DAY_MS })).kept).toBeNull();
    expect(on.machine.files.size).toBe(files);
    await expect(unrevert(on)).rejects.toMatchObject({ code: "conflict" });
    await requireSound(on, "discarded");
  });

  test("leaves a disk that the snapshot does not hold as it is", async () => {
    const on = withGuest({ disks: [{ content: FIRST }, { content: { 0: "data" } }] });
    await take(on, "s1", { excludeDisks: ["vdb"] });
    write(on, 2, "later");
    write(on, 1, "kept", "vdb");
    await revert(on);
    expect(await disksOf(on)).toEqual({ vda: FIRST, vdb: { 0: "data", 1: "kept" } });
    await requireSound(on, "reverted");
  });

  test("leaves a disk that others attached as it is, be it one that no snapshot can hold; unrevert, too", async () => {
    const on = await written(false);
    const more =
      "<disk type='network' device='disk'><source protocol='rbd' name='pool/more'/><target dev='vdc' bus='virtio'/></disk>";
    const xml = on.machine.domains.get(UUID)?.inactive ?? "";
    await virsh(on, { do: "define", xml: xml.replace("</devices>", `${more}</devices>`) });
    const disk = async () =>
      (await stateOf(on)).layers[Object.values((await stateOf(on)).volumes)[0]?.head ?? ""]?.file;
    await revert(on);
    expect(command(on).host.read((await disk()) ?? "")).toEqual(FIRST);
    await unrevert(on);
    expect(command(on).host.read((await disk()) ?? "")).toEqual(LATER.vda);
    expect(on.machine.domains.get(UUID)?.inactive).toContain("pool/more");
    await requireSound(on, "with a network disk");
  });

  test("is refused where a volume of the snapshot is not attached any more", async () => {
    const on = await written(false);
    const state = await stateOf(on);
    const [volume] = Object.values(state.volumes);
    await command(on).store.update((draft) => {
      const one = draft.volumes[volume?.id ?? ""];
      if (one) Object.assign(one, { instance: null, device: null });
    });
    const xml = on.machine.domains.get(UUID)?.inactive ?? "";
    await virsh(on, { do: "define", xml: command(on).host.editDefinition(xml, { disks: { vda: null } }) });
    await expect(revert(on)).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("not attached"),
    });
  });

  test("that was killed before it defined anything leaves what others have changed of the definition since", async () => {
    const on = await written();
    const dying = command(on);
    dying.host.crashAtNext("create-disk", "after");
    await revertSnapshot(dying, "web1/s1", keep).catch(() => undefined);
    const xml = on.machine.domains.get(UUID)?.inactive ?? "";
    await virsh(on, { do: "define", xml: command(on).host.editDefinition(xml, { vcpus: 7 }) });
    await take(on, "s2");
    expect(command(on).host.parseDefinition(on.machine.domains.get(UUID)?.inactive ?? "").vcpus).toBe(7);
    expect(await disksOf(on)).toEqual(LATER);
    await requireSound(on, "undone");
  });

  test("that fails before the guest is stopped leaves it as it was", async () => {
    const on = await written();
    const world = command(on);
    world.host.failNext("define", new EstratoError("failed", "virsh define: no"));
    await expect(revertSnapshot(world, "web1/s1", keep)).rejects.toMatchObject({ code: "failed" });
    expect(await disksOf(on)).toEqual(LATER);
    expect(domainState(on)).toBe("running");
    await requireSound(on, "failed");
  });

  test("that cannot start the guest afterwards has reverted its disks, and says so", async () => {
    const on = await written();
    const world = command(on);
    world.host.failNext("start", new EstratoError("failed", "virsh start: no memory"));
    world.host.failNext("start", new EstratoError("failed", "virsh start: no memory"));
    await expect(revertSnapshot(world, "web1/s1", keep)).rejects.toMatchObject({ code: "failed" });
    expect(world.notes.join()).toContain("its disks are reverted, but it does not start");
    expect(await disksOf(on)).toEqual({ vda: FIRST });
    await requireSound(on, "off");
  });

  test("in a dry run changes nothing, and names the commands that are run then", async () => {
    const on = await written();
    const [before, other] = [everything(on), copyOf(on)];
    const plan = (await revertSnapshot(command(other, { dryRun: true }), "web1/s1", keep)) as PlanView;
    expect(everything(other)).toBe(before);
    expect(plan.notes).toEqual(["What is in the guest's memory will be lost."]);
    const world = command(copyOf(on));
    await revertSnapshot(world, "web1/s1", keep);
    const text = (commands: unknown) => JSON.stringify(commands).replaceAll(/[0-9a-f-]{36}<\/genid>/g, "");
    const done = world.host.told;
    expect(text(plan.steps.flatMap((step) => step.commands))).toBe(text(done));
  });
});

describe("unrevert", () => {
  test("undoes the last revert, and itself: it toggles", async () => {
    const on = await written();
    await revert(on);
    write(on, 5, "after the revert");
    for (const held of [LATER, { vda: { ...FIRST, 5: "after the revert" } }, LATER]) {
      await unrevert(on);
      expect(await disksOf(on)).toEqual(held);
      await requireSound(on, "toggled");
    }
    const automatic = Object.values((await stateOf(on)).snapshots).filter((one) => one.automatic);
    expect(automatic).toHaveLength(1);
  });

  test.each([true, false])("brings a disk back as large as others have made it (running: %s)", async (running) => {
    const on = await written(false);
    const [disk] = command(on).host.parseDefinition(on.machine.domains.get(UUID)?.inactive ?? "").disks;
    await virsh(on, { do: "resize-disk", path: disk?.source ?? "", format: "qcow2", sizeBytes: 32 * 65536 });
    await start(on);
    write(on, 30, "beyond");
    if (!running) await stop(on);
    await revert(on);
    expect(await disksOf(on)).toEqual({ vda: FIRST });
    await unrevert(on);
    expect(await disksOf(on)).toEqual({ vda: { ...LATER.vda, 30: "beyond" } });
    await requireSound(on, "grown");
  });

  test("has nothing to undo before the first revert", async () => {
    await expect(unrevert(await written())).rejects.toMatchObject({ code: "conflict" });
  });

  test("is refused once what was kept has expired, also before it is pruned", async () => {
    const on = await written();
    await revert(on);
    on.clock.advance(DAY_MS);
    const before = everything(on);
    await expect(unrevert(on)).rejects.toMatchObject({ message: expect.stringContaining("has expired") });
    expect(everything(on)).toBe(before);
  });

  test("leaves what was kept where somebody has protected it, and goes back to it after its time", async () => {
    const on = await written();
    const { kept } = await revert(on);
    await setSnapshot(command(on), kept?.id ?? "", { protect: true });
    on.clock.advance(DAY_MS);
    await unrevert(on);
    expect(await disksOf(on)).toEqual(LATER);
    expect((await stateOf(on)).snapshots[kept?.id ?? ""]?.protected).toBe(true);
    await requireSound(on, "after");
  });

  test("is refused once what was kept was deleted", async () => {
    const on = await written();
    const { kept } = await revert(on);
    const { deleteSnapshot } = await import("../../../../src/core/snapshots/delete.ts");
    await deleteSnapshot(command(on), kept?.id ?? "", { children: false });
    await expect(unrevert(on)).rejects.toMatchObject({ code: "conflict" });
    await requireSound(on, "deleted");
  });
});

test("the firmware's variables go back and forth with the disks", async () => {
  const on = withGuest({ running: false });
  const nvram = "/var/lib/libvirt/qemu/nvram/web1.fd";
  command(on).host.addFile(nvram, { format: "raw", text: "first" });
  const domain = on.machine.domains.get(UUID);
  if (domain) domain.inactive = domain.inactive.replace("</os>", `<nvram>${nvram}</nvram></os>`);
  await take(on, "s1");
  const now = () => command(on).host.parseDefinition(on.machine.domains.get(UUID)?.inactive ?? "").nvram ?? "";
  Object.assign(on.machine.files.get(nvram) ?? {}, { text: "second" });
  await revert(on);
  expect(on.machine.files.get(now())?.text).toBe("first");
  await start(on);
  await unrevert(on);
  expect(on.machine.files.get(now())?.text).toBe("second");
  await requireSound(on, "after");
});
