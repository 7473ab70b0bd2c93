/**
 * An encrypted volume's layers are all encrypted, whatever is made of it and wherever a command dies: the fake host
 * opens none without its secret.
 */
import { describe, expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { createImageFromVolume } from "../../../../src/core/images/create-from-volume.ts";
import { deleteImage } from "../../../../src/core/images/delete.ts";
import { saveImage } from "../../../../src/core/images/save.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { revertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { attachVolume } from "../../../../src/core/volumes/attach.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import { deleteVolume } from "../../../../src/core/volumes/delete.ts";
import { detachVolume } from "../../../../src/core/volumes/detach.ts";
import { resizeVolume } from "../../../../src/core/volumes/resize.ts";
import { ENDINGS } from "../ends.ts";
import { command, creation, type Estate, stateOf, wrongs } from "../instances/world.ts";
import { endEverywhere, same } from "./kills.ts";
import { BYTES, contentOf, headOf, KEY, type Shape, snap, volumeOf, withVolume } from "./world.ts";

const SHAPES = [
  { running: true, attached: true },
  { running: false, attached: true },
  { running: true, attached: false },
].map((shape) => ({ ...shape, encrypted: true }));

const IMAGE = { name: "golden", properties: {}, minDiskBytes: null, minRamBytes: null, protect: false };

const SNAPSHOT = {
  instance: "web1",
  quiesce: "off",
  excludeDisks: [],
  description: null,
  properties: {},
  expiresAt: null,
  protect: false,
} as const;

/** Two snapshots, with something written before and after each. */
async function withSnapshots(shape: Shape): Promise<Estate> {
  const estate = await withVolume(shape);
  for (const [index, name] of ["s1", "s2"].entries()) {
    await snap(command(estate), name);
    estate.machine.files.get(await headOf(estate, (await volumeOf(estate)).id))?.clusters.set(index + 1, "later");
  }
  return estate;
}

const HELD = { 0: "written", 1: "later", 2: "later" };

const holds = async (estate: Estate, where: string) => {
  expect(await contentOf(estate), where).toEqual(HELD);
  expect(
    (await examine(command(estate))).map(({ problem }) => problem).filter((one) => !one.includes("live definition")),
    where,
  ).toEqual([]);
};

describe.each(ENDINGS)("encrypted, %s", { timeout: 600_000 }, (_, ending) => {
  test("volume create leaves a volume and its secret, or nothing of either", async () => {
    const options = { name: "data2", source: null, sizeBytes: BYTES, passphraseFile: KEY };
    await endEverywhere(
      ending,
      () => withVolume({ encrypted: true }),
      (world) => createVolume(world, options),
      async (estate, where) => {
        await same(estate, where);
        const made = Object.values((await stateOf(estate)).volumes).find((one) => one.name === "data2");
        expect(estate.machine.secrets.size, where).toBe(made === undefined ? 1 : 2);
      },
    );
  });

  test("volume delete takes the volume and its secret, or nothing", async () => {
    await endEverywhere(
      ending,
      () => withVolume({ encrypted: true }),
      (world) => deleteVolume(world, "data1"),
      async (estate, where) => {
        expect(estate.machine.secrets.size, where).toBe(Object.keys((await stateOf(estate)).volumes).length - 1);
      },
    );
  });

  test.each(SHAPES)("snapshot create --volume and snapshot delete ($running, $attached)", async (shape) => {
    await endEverywhere(
      ending,
      () => withVolume(shape),
      (world) => snap(world, "s1"),
      same,
    );
    for (const target of ["data1/s1", "data1/s2"]) {
      await endEverywhere(
        ending,
        () => withSnapshots(shape),
        (world) => deleteSnapshot(world, target, { children: false }),
        holds,
      );
    }
  });

  test("attaching, detaching, and resizing", async () => {
    const [running, off, free] = SHAPES as [Shape, Shape, Shape];
    const check = async (estate: Estate, where: string) => expect(await contentOf(estate), where).toEqual(HELD);
    await endEverywhere(
      ending,
      () => withSnapshots(free),
      (world) => attachVolume(world, "web1", "data1"),
      check,
    );
    await endEverywhere(
      ending,
      () => withSnapshots(running),
      (world) => detachVolume(world, "web1", "data1", 1000),
      check,
    );
    await endEverywhere(
      ending,
      () => withSnapshots(off),
      (world) => resizeVolume(world, "data1", 2 * BYTES),
      check,
    );
  });

  test("an instance that is made with it", async () => {
    await endEverywhere(
      ending,
      () => withSnapshots({ running: true, attached: false, encrypted: true }),
      (world) => createInstance(world, creation({ name: "web2", volumes: ["data1"], start: true })),
      async (estate, where) => expect(await contentOf(estate), where).toEqual(HELD),
    );
  });
});

describe("an encrypted volume", () => {
  test("gives its secret to snapshots, images, clones and reverts, and the last of them takes it away", async () => {
    const estate = await withVolume({ encrypted: true, attached: true });
    await snap(command(estate), "s1");
    await createImageFromVolume(command(estate), { ...IMAGE, volume: "data1" });
    const source = { kind: "image", target: "golden", disk: null } as const;
    await createVolume(command(estate), { name: "clone", source, sizeBytes: 2 * BYTES });
    await createSnapshot(command(estate), { ...SNAPSHOT, name: "i1" });
    await revertSnapshot(command(estate), "web1/i1", { discard: true, keepMs: 1000 });
    expect(await wrongs(estate)).toEqual([]);
    expect(estate.machine.secrets.size).toBe(1);
    const { layers, snapshots } = await stateOf(estate);
    expect(Object.values(layers).filter(({ secret }) => secret !== null).length).toBeGreaterThan(3);
    expect(JSON.stringify([...estate.disk.journal, await stateOf(estate)])).not.toContain("open sesame");
    for (const id of Object.keys(snapshots)) await deleteSnapshot(command(estate), id, { children: false });
    await detachVolume(command(estate), "web1", "data1", 1000);
    await deleteVolume(command(estate), "data1");
    expect(estate.machine.secrets.size).toBe(1);
    await deleteVolume(command(estate), "clone");
    await deleteImage(command(estate), "golden");
    expect(estate.machine.secrets.size).toBe(0);
    expect(await wrongs(estate)).toEqual([]);
  });

  test("leaves the host encrypted or not at all", async () => {
    const estate = await withVolume({ encrypted: true });
    command(estate).host.addFile("/out/other", { format: "raw", text: "" }); // the folder
    await createImageFromVolume(command(estate), { ...IMAGE, volume: "data1" });
    const to = { kind: "file", path: "/out/copy.qcow2", replace: false } as const;
    const options = { image: "golden", disk: null, format: "qcow2", compress: false, to } as const;
    await expect(saveImage(command(estate), options)).rejects.toMatchObject({
      code: "host",
      hint: expect.stringContaining("--encrypt") as string,
    });
    for (const how of [{ compress: true }, { format: "raw" } as const]) {
      const wrong = { ...options, ...how, passphraseFile: KEY };
      await expect(saveImage(command(estate), wrong)).rejects.toMatchObject({ code: "usage" });
    }
    await saveImage(command(estate), { ...options, passphraseFile: KEY });
    expect(estate.machine.files.get("/out/copy.qcow2")).toMatchObject({ passphrase: "open sesame", backing: null });
  });

  test("whose secret libvirt has lost is refused, named by doctor, and changed in nothing", async () => {
    const estate = await withVolume({ encrypted: true });
    const [[id, secret]] = [...estate.machine.secrets] as [[string, { description: string; value: string }]];
    estate.machine.secrets.delete(id);
    const before = JSON.stringify(await stateOf(estate));
    await expect(snap(command(estate), "s1")).rejects.toMatchObject({ code: "host" });
    expect(JSON.stringify(await stateOf(estate))).toBe(before);
    expect(estate.disk.journal.size).toBe(0);
    expect(await examine(command(estate))).toMatchObject([{ subject: `secret ${id}` }]);
    estate.machine.secrets.set(id, { ...secret, value: "another" });
    await expect(snap(command(estate), "s1")).rejects.toMatchObject({ code: "host" });
    expect(JSON.stringify(await stateOf(estate))).toBe(before);
    estate.machine.secrets.set(id, secret);
    await snap(command(estate), "s1");
  });

  test("a secret of ours that opens nothing is found, and goes after a yes; others are not ours to judge", async () => {
    const estate = await withVolume({ encrypted: true });
    const { description } = [...estate.machine.secrets.values()][0] ?? { description: "" };
    estate.machine.secrets.set("forgotten", { description, value: "x" });
    estate.machine.secrets.set("theirs", { description: "estrato /another/store: volume data1", value: "x" });
    expect((await examine(command(estate))).map(({ subject }) => subject)).toEqual(["secret forgotten"]);
    await repair(command(estate));
    expect([...estate.machine.secrets.keys()]).toContain("theirs");
    expect(estate.machine.secrets.has("forgotten")).toBe(false);
  });

  test("a definition that does not name the chain as it is recorded is found and mended", async () => {
    const estate = await withSnapshots({ running: false, attached: true, encrypted: true });
    const [domain] = estate.machine.domains.values();
    if (domain === undefined) throw new Error("no domain");
    const right = domain.inactive;
    domain.inactive = right.replace(/<backingStore[\s\S]*<\/backingStore>/, "");
    expect(domain.inactive).not.toBe(right);
    expect(await examine(command(estate))).toHaveLength(1);
    await repair(command(estate));
    expect(await examine(command(estate))).toEqual([]);
    await command(estate).host.perform({ do: "start", domain: "web1", paused: false });
  });

  test("is made of nothing only", async () => {
    const estate = await withVolume();
    const source = { kind: "image", target: "debian12", disk: null } as const;
    const wanted = { name: "data2", source, sizeBytes: null, passphraseFile: KEY };
    await expect(createVolume(command(estate), wanted)).rejects.toMatchObject({ code: "usage" });
    for (const [passphraseFile, code] of [["/nothing", "host"]] as const) {
      const other = { ...wanted, source: null, sizeBytes: BYTES, passphraseFile };
      await expect(createVolume(command(estate), other)).rejects.toMatchObject({ code });
    }
    expect(estate.machine.secrets.size).toBe(0);
  });
});
