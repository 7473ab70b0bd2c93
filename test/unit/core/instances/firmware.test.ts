import { describe, expect, test } from "vitest";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { trustSource } from "../../../../src/core/instances/trusted-definition.ts";
import type { Instance } from "../../../../src/core/model/state.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { createVolumeSnapshot } from "../../../../src/core/snapshots/create-volume.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import { command, creation, type Estate, newEstate, stateOf } from "./world.ts";

/** A guest of somebody's with UEFI, an empty CD-ROM, and a disk that it shares with others; and a snapshot of it. */
async function uefi(nvram: boolean): Promise<Estate> {
  const estate = newEstate();
  const { host } = command(estate);
  host.addFile("/srv/uefi.qcow2");
  host.addFile("/srv/shared.img", { format: "raw" });
  host.addFile("/srv/uefi_VARS.fd", { format: "raw", text: "boot order" });
  const id = host.addDomain({
    name: "uefi",
    running: false,
    disks: [{ device: "sda", path: "/srv/uefi.qcow2", format: "qcow2" }],
  });
  const xml = (estate.machine.domains.get(id)?.inactive ?? "")
    .replace("<os>", `<os firmware='efi'>${nvram ? "<nvram>/srv/uefi_VARS.fd</nvram>" : ""}`)
    .replace(
      "<interface",
      `<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/srv/shared.img'/><target dev='sdb' bus='scsi'/><shareable/></disk>
       <disk type='file' device='cdrom'><target dev='sdc' bus='sata'/><readonly/></disk><interface`,
    );
  await host.perform({ do: "define", xml });
  await createSnapshot(command(estate), {
    instance: "uefi",
    name: "s1",
    quiesce: "off",
    excludeDisks: [],
    description: null,
    properties: {},
    expiresAt: null,
    protect: false,
  });
  return estate;
}

const fromSnapshot = creation({ name: "clone", source: { kind: "snapshot", target: "uefi/s1" }, start: false });

test("a clone of a guest with UEFI inherits its definition, without what belongs to the other's host, and has NVRAM of its own", async () => {
  const estate = await uefi(true);
  const world = command(estate);
  const clone = (await createInstance(world, fromSnapshot)) as Instance;
  const xml = estate.machine.domains.get(clone.id)?.inactive ?? "";
  const definition = world.host.parseDefinition(xml);
  expect(definition.disks.map((disk) => disk.device)).toEqual(["sda", "vdz"]);
  expect(definition.interfaces.map((nic) => nic.mac)).toEqual([clone.addresses[0]?.mac]);
  expect(definition).toMatchObject({ name: "clone", uuid: clone.id, firmware: true });
  expect(definition.nvram).toBe(`/fake/estrato/layers/${clone.id}.fd`);
  expect(estate.machine.files.get(definition.nvram ?? "")?.text).toBe("boot order");
  expect(xml).toMatch(/firmware=['"]efi['"]/);
});

test("where no NVRAM was kept, libvirt makes it at a path of ours, which deleting removes", async () => {
  const estate = await uefi(false);
  const clone = (await createInstance(command(estate), fromSnapshot)) as Instance;
  const { nvram } = command(estate).host.parseDefinition(estate.machine.domains.get(clone.id)?.inactive ?? "");
  expect(nvram).toMatch(/^\/fake\/estrato\/layers\//);
  const world = command(estate);
  await deleteInstance(world, "clone", { keepVolumes: false });
  expect(world.host.performed).toContainEqual({ do: "unlink", path: nvram });
});

/** Puts into the definition that the snapshot keeps what names something of the host. */
async function withNames(estate: Estate, devices: string): Promise<void> {
  const [snapshot] = Object.values((await stateOf(estate)).snapshots);
  const { store } = command(estate);
  const xml = await store.readRecord(snapshot?.definition ?? "");
  await store.writeRecord(snapshot?.definition ?? "", xml.replace("</devices>", `${devices}</devices>`));
}

const cardsOf = (estate: Estate, clone: Instance) =>
  command(estate).host.parseDefinition(estate.machine.domains.get(clone.id)?.inactive ?? "").interfaces;

test("such a clone is on the network that the definition names, or on the one that is asked for and no other", async () => {
  const estate = await uefi(true);
  const second = "<interface type='network'><mac address='52:54:00:00:00:99'/><source network='inner'/></interface>";
  await withNames(estate, second);
  const first = (await createInstance(command(estate), fromSnapshot)) as Instance;
  expect(cardsOf(estate, first).map(({ network }) => network)).toEqual(["default", "inner"]);
  const alone = { ...fromSnapshot, name: "alone", network: { name: "none" } };
  expect(cardsOf(estate, (await createInstance(command(estate), alone)) as Instance)).toEqual([]);
  const { default: network } = Object.fromEntries(estate.machine.networks);
  if (network !== undefined) estate.machine.networks.set("other", structuredClone(network));
  const other = { ...fromSnapshot, name: "apart", network: { name: "other" } };
  const clone = (await createInstance(command(estate), other)) as Instance;
  expect(cardsOf(estate, clone)).toEqual([
    expect.objectContaining({ network: "other", mac: clone.addresses[0]?.mac, type: "network" }),
  ]);
});

const SHARED = "<filesystem type='mount'><source dir='/etc'/><target dir='host'/></filesystem>";

test("such a clone has nothing of the old guest's host, and a note names what it lacks", async () => {
  const estate = await uefi(true);
  await withNames(estate, SHARED);
  const world = command(estate);
  const clone = (await createInstance(world, fromSnapshot)) as Instance;
  expect(estate.machine.domains.get(clone.id)?.inactive).not.toContain("/etc");
  expect(world.notes.join("\n")).toMatch(/filesystem \(mount\).*disk sdb.*--trust-definition/);
});

test("whoever trusts the definition sees what of the host it names, and gets it whole", async () => {
  const estate = await uefi(true);
  await withNames(estate, SHARED);
  const world = command(estate);
  const trust = await trustSource(world, fromSnapshot.source);
  expect(world.asked).toEqual([
    {
      text: "Take the whole definition of snapshot uefi/s1?",
      heading: "Of this host it names",
      loses: expect.arrayContaining(["filesystem/source dir=/etc"]),
    },
  ]);
  const clone = (await createInstance(world, { ...fromSnapshot, trustDefinition: trust })) as Instance;
  expect(estate.machine.domains.get(clone.id)?.inactive).toContain("/etc");
  await withNames(estate, "<sound model='ich9'/>");
  const changed = createInstance(command(estate), { ...fromSnapshot, name: "later", trustDefinition: trust });
  await expect(changed).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining("no longer") });
});

test("a volume of such a guest boots by UEFI, with NVRAM of its own, whatever became of what it was made from", async () => {
  const estate = await uefi(true);
  const source = { kind: "snapshot", target: "uefi/s1", disk: null } as const;
  await createVolume(command(estate), { name: "root", source, sizeBytes: null });
  const volume = Object.values((await stateOf(estate)).volumes).find(({ name }) => name === "root")?.id ?? "";
  const asked = { quiesce: "off", description: null, properties: {}, expiresAt: null, protect: false } as const;
  await createVolumeSnapshot(command(estate), { ...asked, volume, name: "r1" });
  const again = { kind: "snapshot", target: "r1", disk: null } as const;
  await createVolume(command(estate), { name: "root2", source: again, sizeBytes: null });
  await deleteSnapshot(command(estate), "r1", { children: false });
  await deleteSnapshot(command(estate), "uefi/s1", { children: false });
  for (const target of ["root", "root2"]) {
    const boot = creation({ name: `on-${target}`, source: { kind: "volume", target } });
    const made = (await createInstance(command(estate), boot)) as Instance;
    const xml = estate.machine.domains.get(made.id)?.inactive ?? "";
    expect(xml).toContain("firmware='efi'");
    expect(command(estate).host.parseDefinition(xml).nvram).toBe(`/fake/estrato/layers/${made.id}.fd`);
  }
});

describe("a clone of a guest with a TPM", () => {
  const TPM = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>";

  async function sealed(firmware: boolean): Promise<Estate> {
    const estate = await uefi(firmware);
    const { host } = command(estate);
    const [domain] = estate.machine.domains.values();
    let xml = domain?.inactive.replace("</devices>", `${TPM}</devices>`) ?? "";
    if (!firmware) xml = xml.replace(/ firmware=.efi./, "");
    await host.perform({ do: "define", xml });
    host.addFile(host.parseDefinition(xml).tpm ?? "", { format: "raw", text: "sealed" });
    const asked = { quiesce: "off", excludeDisks: [], description: null, properties: {}, expiresAt: null } as const;
    await createSnapshot(command(estate), { ...asked, instance: "uefi", name: "s2", protect: false });
    return estate;
  }

  const fromSealed = creation({ name: "clone", source: { kind: "snapshot", target: "uefi/s2" } });
  const tpmOf = (estate: Estate, uuid: string) =>
    command(estate).host.parseDefinition(estate.machine.domains.get(uuid)?.inactive ?? "").tpm ?? "";

  test.each([true, false])("has what that kept, and its own from then on (UEFI: %s)", async (firmware) => {
    const estate = await sealed(firmware);
    const clone = (await createInstance(command(estate), fromSealed)) as Instance;
    const place = tpmOf(estate, clone.id);
    expect(place).toContain(clone.id);
    expect(estate.machine.files.get(place)?.text).toBe("sealed");
    const { nvram } = command(estate).host.parseDefinition(estate.machine.domains.get(clone.id)?.inactive ?? "");
    expect(nvram === null).toBe(!firmware);
    await deleteInstance(command(estate), "clone", { keepVolumes: false });
    expect(estate.machine.files.has(place)).toBe(false);
    expect(await examine(command(estate))).toEqual([]);
  });

  test("leaves nothing in libvirt's folder where it cannot be made", async () => {
    const estate = await sealed(true);
    const failing = command(estate);
    const perform = failing.host.perform;
    failing.host.perform = async (action, options) => {
      if (action.do === "start") throw new Error("no");
      return perform(action, options);
    };
    await expect(createInstance(failing, fromSealed)).rejects.toThrow("no");
    const left = [...estate.machine.files.keys()].filter((path) => path.includes("/swtpm/"));
    expect(left).toHaveLength(1); // of the guest that it was to be made from
  });

  test("is not made where the copy has gone, and doctor says so", async () => {
    const estate = await sealed(true);
    const { snapshots } = await stateOf(estate);
    const copy = Object.values(snapshots).find(({ name }) => name === "s2")?.tpm ?? "";
    estate.machine.files.delete(`/fake/estrato/nvram/${copy}`);
    const attempt = createInstance(command(estate), fromSealed);
    await expect(attempt).rejects.toMatchObject({ code: "integrity", message: expect.stringContaining(copy) });
    const found = await examine(command(estate));
    expect(found.map(({ problem }) => problem)).toContain(`its TPM state /fake/estrato/nvram/${copy} is missing`);
  });
});
