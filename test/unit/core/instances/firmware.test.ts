import { expect, test } from "vitest";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import type { Instance } from "../../../../src/store/schema.ts";
import { command, creation, type Estate, newEstate } from "./world.ts";

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
  expect(definition.nvram).toMatch(/^\/fake\/estrato\/layers\/lay-.*\.fd$/);
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

test("such a clone is on the network that the definition names", async () => {
  const estate = await uefi(true);
  const attempt = createInstance(command(estate), { ...fromSnapshot, network: { name: "other" } });
  await expect(attempt).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining("with network default"),
  });
});

test("a volume of such a guest is not booted from: what the firmware kept is not in it", async () => {
  const estate = await uefi(true);
  const source = { kind: "snapshot", target: "uefi/s1", disk: null } as const;
  await createVolume(command(estate), { name: "root", source, sizeBytes: null });
  const boot = creation({ name: "clone", source: { kind: "volume", target: "root" } });
  await expect(createInstance(command(estate), boot)).rejects.toMatchObject({ code: "conflict" });
});
