import { describe, expect, test } from "vitest";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { rebuildInstance } from "../../../../src/core/instances/rebuild.ts";
import { adoptInstance, releaseInstance } from "../../../../src/core/instances/release.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import { stopInstance } from "../../../../src/core/instances/stop.ts";
import { withLocks } from "../../../../src/core/operations/with-locks.ts";
import type { World } from "../../../../src/core/ports.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { revertSnapshot, unrevertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { attachVolume } from "../../../../src/core/volumes/attach.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import { detachVolume } from "../../../../src/core/volumes/detach.ts";
import { ENDINGS, everyEnd } from "../ends.ts";
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
  expect(snapshotOf(estate)).toEqual(before);
});

test("adopting twice, and releasing what is not adopted, is fine", async () => {
  const estate = legacy(false);
  await releaseInstance(command(estate), "legacy");
  await adoptInstance(command(estate), "legacy");
  await adoptInstance(command(estate), "legacy");
  expect(Object.values((await stateOf(estate)).volumes)).toHaveLength(1);
});

test("adopting one brings nothing back that has been deleted since it was planned", async () => {
  const estate = legacy(false);
  await createInstance(command(estate), creation({ name: "web2", start: false }));
  const world = command(estate);
  const { update } = world.store;
  world.store.update = async (change) => {
    world.store.update = update;
    await deleteInstance(command(estate), "web2", { keepVolumes: false });
    return update(change);
  };
  await adoptInstance(world, "legacy");
  expect(Object.values((await stateOf(estate)).instances).map(({ name }) => name)).toEqual(["legacy"]);
});

test("a guest that is adopted while it runs keeps the owner that libvirt remembers", async () => {
  const estate = legacy(true);
  await adoptInstance(command(estate), "legacy");
  await stopInstance(command(estate), "legacy", { force: true, timeoutMs: 0, wait: true });
  Object.assign(estate.machine.files.get(FILE) ?? {}, { uid: 7, gid: 8 }); // libvirt gives it back
  await releaseInstance(command(estate), "legacy");
  expect(estate.machine.files.get(FILE)).toMatchObject({ uid: 7, gid: 8, mode: 0o640 });
});

describe("releasing what was rebuilt on an image", () => {
  const rebuilt = async (): Promise<Estate> => {
    const estate = legacy(false);
    await snapshot(estate, "s1");
    await createInstance(command(estate), creation({ name: "web2", start: false }));
    await rebuildInstance(command(estate), "legacy", { image: "debian12", keepMs: 86_400_000, trustOwner: false });
    return estate;
  };
  const refused = async (estate: Estate, hint: string) => {
    const release = releaseInstance(command(estate), "legacy");
    await expect(release).rejects.toMatchObject({
      code: "conflict",
      message: "instance legacy: it was rebuilt, and vda stands on its original file no more",
      hint: expect.stringContaining(hint),
    });
  };

  test("names how that is taken back, and nothing of others, and works afterwards", async () => {
    const estate = await rebuilt();
    await refused(estate, "estrato snapshot unrevert legacy");
    await unrevertSnapshot(command(estate), "legacy", { discard: false, keepMs: 86_400_000 });
    for (const { id, instance } of Object.values((await stateOf(estate)).snapshots))
      if (instance !== null) await deleteSnapshot(command(estate), id, { children: false });
    await releaseInstance(command(estate), "legacy");
    expect(estate.machine.files.get(FILE)).toMatchObject({ uid: 7, gid: 8, mode: 0o640 });
    expect(Object.values((await stateOf(estate)).instances).map(({ name }) => name)).toEqual(["web2"]);
  });

  test("leads to a snapshot of before where taking back has expired, and then to the disk", async () => {
    const estate = await rebuilt();
    const { undo } = Object.values((await stateOf(estate)).instances).find(({ name }) => name === "legacy") ?? {};
    await deleteSnapshot(command(estate), undo ?? "", { children: false });
    await refused(estate, "estrato snapshot revert legacy/s1");
    await deleteSnapshot(command(estate), "legacy/s1", { children: false });
    await expect(releaseInstance(command(estate), "legacy")).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringMatching(/^instance legacy: vda is volume vol-\S+, which estrato made$/),
    });
  });
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

test("releasing names an attached volume, and not what of another guest's that stands on", async () => {
  const estate = legacy(false);
  const { host } = command(estate);
  host.addFile("/srv/other.qcow2", { mode: 0o640 });
  const disks = [{ device: "vda", path: "/srv/other.qcow2", format: "qcow2" }];
  host.addDomain({ name: "other", running: false, disks });
  const rest = { quiesce: "off", excludeDisks: [], description: null, properties: {} } as const;
  await createSnapshot(command(estate), { instance: "other", name: "s1", ...rest, expiresAt: null, protect: false });
  const source = { kind: "snapshot", target: "other/s1", disk: null } as const;
  await createVolume(command(estate), { name: "copy", source, sizeBytes: null });
  await attachVolume(command(estate), "legacy", "copy");
  await expect(releaseInstance(command(estate), "legacy")).rejects.toMatchObject({
    code: "conflict",
    message: "instance legacy: vdb is volume copy, which estrato attached",
    hint: "Detach it first: estrato volume detach legacy copy.",
  });
  await detachVolume(command(estate), "legacy", "copy", 1000);
  await releaseInstance(command(estate), "legacy");
  expect(Object.values((await stateOf(estate)).instances).map(({ name }) => name)).toEqual(["other"]);
});

test("an instance that estrato made cannot be released", async () => {
  const estate = newEstate();
  await createInstance(command(estate), creation());
  await expect(releaseInstance(command(estate), "web1")).rejects.toMatchObject({ code: "conflict" });
});

describe("what a revert put into the definition", () => {
  /** Adopted off, with UEFI; reverted once, so that its NVRAM lies with us. */
  async function reverted(original: { readonly genid?: string; readonly nvram?: string }): Promise<Estate> {
    const estate = legacy(false);
    const { host } = command(estate);
    const [domain] = estate.machine.domains.values();
    const nvram = original.nvram ?? "/var/lib/libvirt/qemu/nvram/legacy_VARS.fd";
    const uefi = (domain?.inactive ?? "").replace("<os>", `${original.genid ?? ""}<os><nvram>${nvram}</nvram>`);
    await host.perform({ do: "define", xml: uefi });
    host.addFile(nvram, { format: "raw", text: "of before" });
    await snapshot(estate, "s1");
    await revertSnapshot(command(estate), "legacy/s1", { discard: true, keepMs: 1000 });
    const ours = host.parseDefinition(xmlOf(estate)).nvram ?? "";
    expect(ours).toContain("/fake/estrato/layers/");
    Object.assign(estate.machine.files.get(ours) ?? {}, { text: "written since" });
    await deleteSnapshot(command(estate), "legacy/s1", { children: false });
    return estate;
  }

  const xmlOf = (estate: Estate) => [...estate.machine.domains.values()][0]?.inactive ?? "";
  const definedAs = (estate: Estate) => command(estate).host.parseDefinition(xmlOf(estate));
  const ownFiles = (estate: Estate) => [...estate.machine.files.keys()].filter((path) => path.endsWith(".fd"));

  test.each([undefined, "/srv/legacy.fd"])("its NVRAM goes back to where it was (%s), as it is now", async (nvram) => {
    const estate = await reverted(nvram === undefined ? {} : { nvram });
    expect(definedAs(estate).generationId).toBe(true);
    await releaseInstance(command(estate), "legacy");
    const place = nvram ?? "/var/lib/libvirt/qemu/nvram/legacy_VARS.fd";
    expect(definedAs(estate)).toMatchObject({ nvram: place, generationId: false });
    expect(ownFiles(estate)).toEqual([place]);
    expect(estate.machine.files.get(place)?.text).toBe("written since");
    expect([...estate.disk.records.keys()]).toEqual([]);
  });

  test("a generation id that it had before stays", async () => {
    const estate = await reverted({ genid: "<genid>43dc0cf8-809b-4adb-9bea-a9abb5f3d90e</genid>" });
    await releaseInstance(command(estate), "legacy");
    expect(definedAs(estate).generationId).toBe(true);
  });

  test("of one that was adopted before that was written down, the place is libvirt's, and nobody's file is lost", async () => {
    const estate = await reverted({});
    await command(estate).store.update((draft) => {
      for (const one of Object.values(draft.instances)) delete one.original;
    });
    await releaseInstance(command(estate), "legacy");
    const { nvram, uuid, generationId } = definedAs(estate);
    expect([nvram, generationId]).toEqual([`/var/lib/libvirt/qemu/nvram/legacy-${uuid}_VARS.fd`, true]);
    expect(estate.machine.files.get("/var/lib/libvirt/qemu/nvram/legacy_VARS.fd")?.text).toBe("of before");
  });

  test("it is not moved away under a guest that runs", async () => {
    const estate = await reverted({});
    await startInstance(command(estate), "legacy");
    await expect(releaseInstance(command(estate), "legacy")).rejects.toMatchObject({ code: "conflict" });
    expect(definedAs(estate).nvram).toContain("/fake/estrato/layers/");
  });

  test.each(ENDINGS)(
    "%s, it is released or not, and one NVRAM is left, as it is now",
    { timeout: 600_000 },
    async (_, ending) => {
      const work = { prepare: () => reverted({}), run: (world: World) => releaseInstance(world, "legacy") };
      for (const { point, strike } of (await everyEnd(ending, work)).ends) {
        const estate = await strike();
        const next = command(estate);
        await withLocks(next, ["another"], async () => {});
        expect(await examine(next), point).toEqual([]);
        const { nvram, generationId } = definedAs(estate);
        expect(estate.machine.files.get(nvram ?? "")?.text, point).toBe("written since");
        const isReleased = Object.keys((await stateOf(estate)).instances).length === 0;
        expect(generationId, point).toBe(!isReleased);
        expect(
          ownFiles(estate).filter((path) => path.startsWith("/fake/")),
          point,
        ).toHaveLength(isReleased ? 0 : 1);
        if (!isReleased) await releaseInstance(command(estate), "legacy");
        expect(estate.machine.files.get(FILE), point).toMatchObject({ uid: 7, gid: 8, mode: 0o640 });
      }
    },
  );
});
