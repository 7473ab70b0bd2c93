import { describe, expect, test } from "vitest";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { adoptInstance, releaseInstance } from "../../../../src/core/instances/release.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { createVolumeSnapshot } from "../../../../src/core/snapshots/create-volume.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { attachVolume } from "../../../../src/core/volumes/attach.ts";
import { resizeVolume } from "../../../../src/core/volumes/resize.ts";
import { command, creation, type Estate, newEstate, snapshotOf, stateOf, wrongs } from "./world.ts";

const TEMPLATE = "/srv/tm.qcow2";
const CLONE = "/srv/cl.qcow2";

/** A guest `tmpl`, and a guest `clone` whose disk stands on that one's. */
function linked(running = false): Estate {
  const estate = newEstate();
  const { host } = command(estate);
  host.addFile(TEMPLATE, { mode: 0o644, uid: 7, gid: 8, content: { 0: "old", 5: "of the template" } });
  host.addFile(CLONE, { mode: 0o640, uid: 7, gid: 8, backing: { path: TEMPLATE, format: "qcow2" }, content: {} });
  host.addDomain({ name: "tmpl", running: false, disks: [disk(TEMPLATE)] });
  host.addDomain({ name: "clone", running, disks: [disk(CLONE)] });
  return estate;
}

const SNAPSHOT = { quiesce: "off", description: null, properties: {}, expiresAt: null, protect: false } as const;

const disk = (path: string, device = "vda") => ({ device, path, format: "qcow2" });

const snapshot = (estate: Estate, instance: string, name: string, excludeDisks: readonly string[] = []) =>
  createSnapshot(command(estate), {
    instance,
    name,
    quiesce: "off",
    excludeDisks,
    description: null,
    properties: {},
    expiresAt: null,
    protect: false,
  });

const remove = (estate: Estate, target: string) => deleteSnapshot(command(estate), target, { children: false });

async function layerOf(estate: Estate, file: string) {
  return Object.values((await stateOf(estate)).layers).find((layer) => layer.file === file);
}

/** The file that libvirt starts a guest on. */
function headOf(estate: Estate, name: string): string {
  const domain = [...estate.machine.domains.values()].find(({ inactive }) => inactive.includes(`<name>${name}</name>`));
  return /<source (?:file|dev)=['"]([^'"]*)['"]/.exec(domain?.inactive ?? "")?.[1] ?? "";
}

/** A guest's definition, changed by hand. */
function edit(estate: Estate, name: string, change: (xml: string) => string): void {
  for (const domain of estate.machine.domains.values())
    if (domain.inactive.includes(`<name>${name}</name>`)) domain.inactive = change(domain.inactive);
}

describe("a linked clone and its template", () => {
  for (const order of [
    ["clone", "tmpl"],
    ["tmpl", "clone"],
  ] as const) {
    test(`share a layer, whoever is adopted first (${order[0]}), and neither changes what the other reads`, async () => {
      const estate = linked();
      for (const name of order) await snapshot(estate, name, "s1");
      const shared = await layerOf(estate, TEMPLATE);
      expect(await layerOf(estate, CLONE)).toMatchObject({ parent: shared?.id });
      expect(shared).toMatchObject({ frozen: true, foreign: { uid: 7, gid: 8, mode: 0o644, template: "held" } });
      estate.machine.files.get(headOf(estate, "tmpl"))?.clusters.set(5, "of the template's guest");
      await remove(estate, "tmpl/s1");
      expect(command(estate).host.read(CLONE)).toEqual({ 0: "old", 5: "of the template" });
      expect(estate.machine.files.get(TEMPLATE)?.clusters.get(5)).toBe("of the template");
      expect(command(estate).host.read(headOf(estate, "tmpl"))).toMatchObject({ 5: "of the template's guest" });
      expect(await wrongs(estate)).toEqual([]);
    });
  }

  test("a template is not written after its clone has gone, either", async () => {
    const estate = linked();
    await snapshot(estate, "clone", "c1");
    await snapshot(estate, "tmpl", "s1");
    await remove(estate, "clone/c1");
    await releaseInstance(command(estate), "clone");
    estate.machine.files.get(headOf(estate, "tmpl"))?.clusters.set(5, "new");
    await remove(estate, "tmpl/s1");
    expect(estate.machine.files.get(TEMPLATE)?.clusters.get(5)).toBe("of the template");
  });

  test("nobody can write the template while a snapshot stands on it, and release gives its mode back", async () => {
    const estate = linked();
    await snapshot(estate, "clone", "c1");
    expect(estate.machine.files.get(TEMPLATE)?.mode).toBe(0o444);
    await expect(startInstance(command(estate), "tmpl")).rejects.toMatchObject({
      code: "conflict",
      hint: expect.stringContaining("estrato snapshot create tmpl"),
    });
    expect(await wrongs(estate)).toEqual([]);
    await remove(estate, "clone/c1");
    await releaseInstance(command(estate), "clone");
    expect(estate.machine.files.get(TEMPLATE)).toMatchObject({ mode: 0o644, uid: 7, gid: 8 });
    expect(Object.values((await stateOf(estate)).layers).filter(({ foreign }) => foreign !== null)).toEqual([]);
    await startInstance(command(estate), "tmpl");
  });

  test("the template's own guest, not adopted, starts after a snapshot; where it can write, doctor says so", async () => {
    const estate = linked();
    await snapshot(estate, "clone", "c1");
    const shared = await layerOf(estate, TEMPLATE);
    await command(estate).store.update((draft) => {
      const { foreign } = draft.layers[shared?.id ?? ""] ?? {};
      if (foreign) foreign.template = "others"; // whose mode is not ours to change
    });
    expect(await examine(command(estate))).toMatchObject([
      { subject: "instance tmpl", remedy: expect.stringContaining("estrato snapshot create tmpl"), mending: null },
    ]);
    await snapshot(estate, "tmpl", "s1");
    await startInstance(command(estate), "tmpl");
    expect(await wrongs(estate)).toEqual([]);
  });

  test("the template's own guest, adopted after the clone, is held until it has a head of its own", async () => {
    const estate = linked();
    await adoptInstance(command(estate), "clone");
    await adoptInstance(command(estate), "tmpl");
    const template = await layerOf(estate, TEMPLATE);
    const volume = Object.values((await stateOf(estate)).volumes).find(({ head }) => head === template?.id);
    expect(await wrongs(estate)).toEqual([]);
    await expect(startInstance(command(estate), "tmpl")).rejects.toMatchObject({ code: "conflict" });
    await expect(resizeVolume(command(estate), volume?.id ?? "", 2 ** 30)).rejects.toMatchObject({ code: "conflict" });
    await snapshot(estate, "tmpl", "s1");
    await startInstance(command(estate), "tmpl");
  });

  test("the template's disk, kept of its guest, is attached to nobody before it has a head of its own", async () => {
    const estate = linked();
    await createInstance(command(estate), creation());
    await adoptInstance(command(estate), "clone");
    await adoptInstance(command(estate), "tmpl");
    const template = await layerOf(estate, TEMPLATE);
    const id = Object.values((await stateOf(estate)).volumes).find(({ head }) => head === template?.id)?.id ?? "";
    await deleteInstance(command(estate), "tmpl", { keepVolumes: true });
    const before = snapshotOf(estate);
    const boots = creation({ name: "web2", source: { kind: "volume", target: id } });
    for (const work of [
      () => attachVolume(command(estate), "web1", id),
      () => createInstance(command(estate), boots),
      () => createInstance(command(estate), creation({ name: "web2", volumes: [id] })),
    ])
      await expect(work()).rejects.toMatchObject({ code: "conflict", hint: expect.stringContaining(`--volume ${id}`) });
    expect(snapshotOf(estate)).toEqual(before);
    await createVolumeSnapshot(command(estate), { ...SNAPSHOT, volume: id, name: "v1" });
    await attachVolume(command(estate), "web1", id);
    command(estate).host.guestWrite("web1", "vdb", 5, "of web1");
    expect(command(estate).host.read(CLONE)).toEqual({ 0: "old", 5: "of the template" });
  });

  test("a clone is refused while its template is being written", async () => {
    const estate = linked();
    const { host } = command(estate);
    await host.perform({ do: "start", domain: "tmpl", paused: false });
    const before = snapshotOf(estate);
    await expect(snapshot(estate, "clone", "c1")).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining(`it stands on ${TEMPLATE}, which is being written`),
    });
    expect(snapshotOf(estate)).toEqual(before);
  });

  test("a clone that was never adopted keeps what it reads", async () => {
    const estate = linked();
    await snapshot(estate, "tmpl", "s1");
    estate.machine.files.get(headOf(estate, "tmpl"))?.clusters.set(5, "of the template's guest");
    await remove(estate, "tmpl/s1");
    expect(command(estate).host.read(CLONE)).toEqual({ 0: "old", 5: "of the template" });
    command(estate).host.perform({ do: "undefine", domain: "clone", nvram: false });
    await snapshot(estate, "tmpl", "s2");
    await remove(estate, "tmpl/s2"); // collects what waited
    expect(headOf(estate, "tmpl")).toBe(TEMPLATE);
  });
});

test("two names of one file are one layer", async () => {
  const estate = linked();
  const other = "/mnt/bind/tm.qcow2";
  const file = estate.machine.files.get(TEMPLATE);
  if (file !== undefined) estate.machine.files.set(other, file);
  const { host } = command(estate);
  host.addFile("/srv/cl2.qcow2", { backing: { path: other, format: "qcow2" } });
  host.addDomain({ name: "clone2", running: false, disks: [disk("/srv/cl2.qcow2")] });
  await snapshot(estate, "clone", "c1");
  await snapshot(estate, "clone2", "c2");
  expect((await layerOf(estate, "/srv/cl2.qcow2"))?.parent).toBe((await layerOf(estate, TEMPLATE))?.id);
  expect(await layerOf(estate, other)).toBeUndefined();
  host.addDomain({ name: "twin", running: false, disks: [disk(TEMPLATE), disk(other, "vdb")] });
  await expect(adoptInstance(command(estate), "twin")).rejects.toMatchObject({ code: "conflict" });
});

test("what the record of before whole chains lacks is taken in by the next verb", async () => {
  const estate = linked();
  await adoptInstance(command(estate), "clone");
  const template = (await layerOf(estate, TEMPLATE))?.id ?? "";
  await command(estate).store.update((draft) => {
    for (const layer of Object.values(draft.layers)) if (layer.parent === template) layer.parent = null;
    delete draft.layers[template];
  });
  await snapshot(estate, "clone", "c1");
  const taken = await layerOf(estate, TEMPLATE);
  expect(taken).toMatchObject({ frozen: true, foreign: { template: "held" } });
  expect((await layerOf(estate, CLONE))?.parent).toBe(taken?.id);
});

describe("an overlay made by hand on a layer of ours", () => {
  const HAND = "/srv/hand.qcow2";

  /** `web1` with a snapshot s1, and a guest `hand` whose disk stands on what s1 holds. */
  async function byHand(): Promise<Estate> {
    const estate = newEstate();
    await createInstance(command(estate), creation({ start: false }));
    estate.machine.files.get(headOf(estate, "web1"))?.clusters.set(3, "of web1");
    const base = headOf(estate, "web1");
    const s1 = { instance: "web1", name: "s1", quiesce: "off", excludeDisks: [], description: null } as const;
    await createSnapshot(command(estate), { ...s1, properties: {}, expiresAt: null, protect: false });
    const { host } = command(estate);
    host.addFile(HAND, { backing: { path: base, format: "qcow2" } });
    host.addDomain({ name: "hand", running: false, disks: [disk(HAND)] });
    return estate;
  }

  test("keeps what it stands on, though it is not adopted", async () => {
    const estate = await byHand();
    const read = command(estate).host.read(HAND);
    await remove(estate, "web1/s1");
    expect(command(estate).host.read(HAND)).toEqual(read);
  });

  test("keeps it when it is adopted, and when it is released", async () => {
    const estate = await byHand();
    const read = command(estate).host.read(HAND);
    await adoptInstance(command(estate), "hand");
    await remove(estate, "web1/s1");
    await releaseInstance(command(estate), "hand");
    expect(command(estate).host.read(HAND)).toEqual(read);
    await host(estate).perform({ do: "undefine", domain: "hand", nvram: false });
    await snapshot(estate, "web1", "s2");
    await remove(estate, "web1/s2");
    expect(command(estate).host.read(HAND)).toEqual(read);
    host(estate).addDomain({ name: "hand", running: false, disks: [disk(HAND)] });
    await adoptInstance(command(estate), "hand");
    expect(await wrongs(estate)).toEqual([]);
  });

  const host = (estate: Estate) => command(estate).host;
});

describe("a disk that no layer can stand for is refused, and nothing is stored", () => {
  const CASES: readonly { what: string; change: (estate: Estate) => void; says: string }[] = [
    {
      what: "a format that only the definition names",
      change: (estate) => {
        const file = estate.machine.files.get(CLONE);
        if (file !== undefined) file.backing = { path: TEMPLATE, format: "" };
        edit(estate, "clone", (xml) =>
          xml.replace(
            "<target",
            `<backingStore type='file'><format type='qcow2'/><source file='${TEMPLATE}'/></backingStore><target`,
          ),
        );
      },
      says: `${CLONE} does not say which format ${TEMPLATE} has`,
    },
    {
      what: "a <backingStore> that names another file than the header",
      change: (estate) =>
        edit(estate, "clone", (xml) =>
          xml.replace(
            "<target",
            "<backingStore type='file'><format type='qcow2'/><source file='/srv/other'/></backingStore><target",
          ),
        ),
      says: "says that /srv/cl.qcow2 stands on /srv/other",
    },
    {
      what: "a <backingStore> that ends the chain before the headers do",
      change: (estate) => edit(estate, "clone", (xml) => xml.replace("<target", "<backingStore/><target")),
      says: `the headers lead to ${TEMPLATE}`,
    },
    {
      what: "a slice of a file",
      change: (estate) =>
        edit(estate, "clone", (xml) =>
          xml.replace(
            `<source file='${CLONE}'/>`,
            `<source file='${CLONE}'><slices><slice type='storage' offset='0' size='65536'/></slices></source>`,
          ),
        ),
      says: "<slices>",
    },
    {
      what: "a transient disk",
      change: (estate) => edit(estate, "clone", (xml) => xml.replace("<target", "<transient/><target")),
      says: "<transient/>",
    },
    {
      what: "a chain with a file missing",
      change: (estate) => estate.machine.files.delete(TEMPLATE),
      says: `${TEMPLATE} is not there`,
    },
  ];
  for (const { what, change, says } of CASES) {
    test(what, async () => {
      const estate = linked();
      change(estate);
      const before = snapshotOf(estate);
      await expect(snapshot(estate, "clone", "c1")).rejects.toMatchObject({ message: expect.stringContaining(says) });
      expect(snapshotOf(estate)).toEqual(before);
    });
  }

  test("though it is left out: the definition that is written names its chain no longer", async () => {
    const estate = linked();
    const old = "/srv/old.qcow2";
    command(estate).host.addFile(old, { backing: { path: TEMPLATE, format: "" } });
    const chain = `<backingStore type='file'><format type='qcow2'/><source file='${TEMPLATE}'/></backingStore>`;
    const source = `<driver name='qemu' type='qcow2'/><source file='${old}'/>`;
    const more = `<disk type='file' device='disk'>${source}${chain}<target dev='vdb' bus='virtio'/></disk>`;
    edit(estate, "clone", (xml) => xml.replace("</disk>", `</disk>${more}`));
    const before = snapshotOf(estate);
    await expect(snapshot(estate, "clone", "c1", ["vdb"])).rejects.toMatchObject({
      message: expect.stringContaining(`${old} does not say which format ${TEMPLATE} has`),
    });
    expect(snapshotOf(estate)).toEqual(before);
  });

  test("with a way out that a guest without another disk can go", async () => {
    const estate = linked();
    edit(estate, "clone", (xml) => xml.replace("type='qcow2'", "type='vmdk'"));
    await expect(snapshot(estate, "clone", "c1")).rejects.toMatchObject({
      hint: expect.stringContaining("Copy it into a qcow2 file"),
    });
    command(estate).host.addFile("/srv/more.qcow2");
    const more =
      "<disk type='file' device='disk'><source file='/srv/more.qcow2'/><target dev='vdb' bus='virtio'/></disk>";
    edit(estate, "clone", (xml) => xml.replace("<devices>", `<devices>${more}`));
    await expect(snapshot(estate, "clone", "c1")).rejects.toMatchObject({
      hint: "Leave it out: --exclude-disk vda.",
    });
  });

  test("but not a <backingStore> that says what the headers say", async () => {
    const estate = linked();
    edit(estate, "clone", (xml) =>
      xml.replace(
        "<target",
        `<backingStore type='file'><format type='qcow2'/><source file='${TEMPLATE}'/><backingStore/></backingStore><target`,
      ),
    );
    await snapshot(estate, "clone", "c1");
    expect(await wrongs(estate)).toEqual([]);
  });
});

test("a file that is read-only by mode is merged into, and given back as it was", async () => {
  const estate = linked();
  Object.assign(estate.machine.files.get(CLONE) ?? {}, { mode: 0o440 });
  await snapshot(estate, "clone", "c1");
  estate.machine.files.get(headOf(estate, "clone"))?.clusters.set(9, "late");
  await remove(estate, "clone/c1");
  expect(headOf(estate, "clone")).toBe(CLONE);
  await releaseInstance(command(estate), "clone");
  expect(estate.machine.files.get(CLONE)).toMatchObject({ mode: 0o440 });
  expect(command(estate).host.read(CLONE)).toMatchObject({ 9: "late" });
});
