import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { DiskFile, HostCapabilities } from "../../../src/core/model/host.ts";
import { editDefinition } from "../../../src/host/domain-edit.ts";
import { newDefinition } from "../../../src/host/domain-new.ts";
import { diskAliases, diskMirrors, parseDefinition } from "../../../src/host/domain-xml.ts";

/**
 * A live guest of libvirt 9.0 with UEFI, an active commit that is ready, a CD-ROM, a block device and things we know
 * nothing of.
 */
const LIVE = readFileSync(join(import.meta.dirname, "recorded/live.xml"), "utf8");

const HOST: HostCapabilities = {
  kvm: true,
  arch: "x86_64",
  machine: "q35",
  machines: ["q35"],
  emulator: "/usr/bin/qemu-system-x86_64",
  qemuUser: null,
  libvirtVersion: "9.0.0",
  qemuVersion: "7.2.0",
  maxChain: 128,
};

const SPEC = {
  name: `web <1> & "co"`,
  uuid: "00000000-0000-4000-8000-000000000001",
  vcpus: 2,
  ramBytes: 512 * 2 ** 20,
  disks: [
    { device: "vda", path: "/l/a'b.qcow2", format: "qcow2", readonly: false, serial: "vol-1" },
    { device: "vdz", path: "/s/seed.iso", format: "raw", readonly: true, serial: null },
  ],
  interfaces: [{ network: "default", mac: "52:54:00:00:00:01" }],
  consoleLog: "/c/web.log",
};

const SECRET = "5ec12e70-0000-4000-8000-000000000001";
const newDisk = (file: DiskFile) =>
  newDefinition({ ...SPEC, disks: [{ device: "vda", readonly: false, serial: null, ...file }] }, HOST);

/** The document without the blanks between elements and with one kind of quotes: what a parser sees of it. */
const shape = (xml: string) =>
  xml
    .replace(/>\s+</g, "><")
    .replace(/<([^>]*)>/g, (tag) => tag.replaceAll('"', "'").replaceAll("&quot;", "'"))
    .replace(/<(\w+)([^>]*)><\/\1>/g, "<$1$2/>")
    .trim();

describe("a definition", () => {
  test("says what the guest has", () => {
    const definition = parseDefinition(LIVE);
    expect(definition).toMatchObject({
      name: "web1",
      uuid: "e8c9cd3d-f6ad-4faa-b93e-df5a83434386",
      vcpus: 4,
      ramBytes: 2 ** 30,
      nvram: "/var/lib/libvirt/qemu/nvram/web1_VARS.fd",
      agentChannel: true,
      interfaces: [{ mac: "52:54:00:aa:bb:cc", network: "default", type: "network", target: "vnet0" }],
    });
    expect(definition.disks).toEqual([
      {
        device: "vda",
        type: "file",
        role: "disk",
        source: "/l/head.qcow2",
        pool: null,
        format: "qcow2",
        bus: "virtio",
        readonly: false,
        shareable: false,
        serial: "vol-1",
        secret: null,
        backing: [{ path: "/l/base.qcow2", format: "qcow2", secret: null }],
        backingEnds: true,
        unlayerable: null,
      },
      {
        device: "sda",
        type: "file",
        role: "cdrom",
        source: null,
        pool: null,
        format: "raw",
        bus: "sata",
        readonly: true,
        shareable: false,
        serial: null,
        secret: null,
        backing: null,
        backingEnds: false,
        unlayerable: null,
      },
      {
        device: "vdb",
        type: "block",
        role: "disk",
        source: "/dev/vg/data",
        pool: null,
        format: "raw",
        bus: "virtio",
        readonly: false,
        shareable: true,
        serial: null,
        secret: null,
        backing: null,
        backingEnds: false,
        unlayerable: null,
      },
    ]);
    expect([...diskAliases(LIVE)]).toEqual([
      ["vda", "virtio-disk0"],
      ["sda", "sata0-0-0"],
      ["vdb", "virtio-disk1"],
    ]);
    expect(diskMirrors(LIVE)).toEqual([{ device: "vda", type: "active-commit", ready: true }]);
  });

  test("that is none is refused", () => {
    expect(() => parseDefinition("<domain>")).toThrow("XML of a domain");
    expect(() => parseDefinition("<network/>")).toThrow("the root is not <domain>");
    expect(() => parseDefinition("<!DOCTYPE domain SYSTEM '/etc/passwd'><domain/>")).toThrow("document type");
    expect(() => parseDefinition("<domain><name>a</name></domain>")).toThrow("no name, UUID or memory");
  });
});

describe("an edit", () => {
  test("of nothing leaves everything as it was", () => {
    expect(shape(editDefinition(LIVE, {}))).toBe(shape(LIVE));
  });

  test("of a disk changes its source and format, and nothing else", () => {
    const edited = editDefinition(LIVE, { disks: { vda: { path: "/l/new & old.qcow2", format: "qcow2" } } });
    const expected = LIVE.replace("<source file='/l/head.qcow2' index='3'/>", "<source file='/l/new &amp; old.qcow2'/>")
      .replace(/<backingStore type='file'[\s\S]*?<\/backingStore>\s*<\/backingStore>/, "")
      .replace(/<mirror[\s\S]*?<\/mirror>/, "");
    expect(shape(edited)).toBe(shape(expected));
  });

  test("may put a file in a device's place, and says nothing of the secret that opened what was there", () => {
    const encrypted = LIVE.replace(
      "<source dev='/dev/vg/data' index='1'/>",
      `<source dev='/dev/vg/data'><encryption format='luks'><secret type='passphrase' uuid='${SECRET}'/></encryption><slices><slice type='storage' offset='0' size='1'/></slices></source>`,
    );
    expect(parseDefinition(encrypted).disks[2]?.secret).toBe(SECRET);
    const edited = editDefinition(encrypted, { disks: { vdb: { path: "/l/b.qcow2", format: "qcow2" } } });
    expect(parseDefinition(edited).disks[2]).toMatchObject({ type: "file", source: "/l/b.qcow2", format: "qcow2" });
    expect(edited).toContain("<source file='/l/b.qcow2'></source>");
    const back = editDefinition(edited, { disks: { vdb: { path: "/dev/vg/data", format: "raw" } } });
    expect(parseDefinition(back).disks[2]).toMatchObject({ type: "block", source: "/dev/vg/data", format: "raw" });
  });

  test("drops every chain that libvirt would believe", () => {
    const edited = editDefinition(LIVE, { dropBackingStore: true });
    expect(edited).not.toMatch(/backingStore|mirror/);
    const without = (xml: string) =>
      parseDefinition(xml).disks.map((disk) => ({ ...disk, backing: null, backingEnds: false }));
    expect(parseDefinition(edited).disks).toEqual(without(LIVE));
  });

  test("names the secret of an encrypted disk and of each layer below, and keeps that where another disk is edited", () => {
    const backing = [
      { path: "/l/b & c.qcow2", format: "qcow2" },
      { path: "/l/a.qcow2", format: "qcow2" },
    ];
    const head = { path: "/l/head.qcow2", format: "qcow2", encryption: { secret: SECRET, backing } };
    const edited = editDefinition(LIVE, { disks: { vdb: head }, dropBackingStore: true });
    const wanted = { secret: SECRET, backing: backing.map((file) => ({ ...file, secret: SECRET })) };
    expect(parseDefinition(edited).disks[2]).toMatchObject({ source: "/l/head.qcow2", ...wanted });
    expect(edited).not.toContain("<backingStore/>"); // an end that libvirt would believe
    const other = editDefinition(edited, {
      disks: { vda: { path: "/l/n.qcow2", format: "qcow2" } },
      dropBackingStore: true,
    });
    expect(parseDefinition(other).disks[2]).toMatchObject(wanted);
    const merged = { ...head, encryption: { secret: SECRET, backing: backing.slice(1) } };
    const after = parseDefinition(editDefinition(other, { disks: { vdb: merged } })).disks[2];
    expect(after).toMatchObject({ secret: SECRET, backing: wanted.backing.slice(1) });
    expect(parseDefinition(newDisk(head)).disks[0]).toMatchObject(wanted);
  });

  test("makes a domain of another name independent of the first", () => {
    const uuid = "00000000-0000-4000-8000-000000000009";
    const edited = editDefinition(LIVE, {
      name: "web2 <b>",
      uuid,
      macs: { "52:54:00:AA:BB:CC": "52:54:00:00:00:02" },
      nvram: "/n/web2.fd",
      newGenerationId: true,
      consoleLog: "/c/web2.log",
    });
    const definition = parseDefinition(edited);
    expect(definition).toMatchObject({ name: "web2 <b>", uuid, nvram: "/n/web2.fd" });
    expect(definition.interfaces[0]?.mac).toBe("52:54:00:00:00:02");
    expect(edited).toContain(`<entry name="uuid">${uuid}</entry>`);
    expect(edited).not.toContain("domain-1-web1");
    expect(edited).not.toMatch(/<domain [^>]*id=/);
    expect(edited.match(/\/c\/web2.log/g)).toHaveLength(2);
    expect(edited).toMatch(/<genid>(?!e8c9)[0-9a-f-]{36}<\/genid>/);
  });

  test("of size sets all that must agree with it", () => {
    const edited = editDefinition(LIVE, { vcpus: 2, ramBytes: 2 ** 31 });
    expect(parseDefinition(edited)).toMatchObject({ vcpus: 2, ramBytes: 2 ** 31 });
    expect(edited).toContain('<currentMemory unit="KiB">2097152</currentMemory>');
    expect(edited).not.toMatch(/<topology|current=/);
    expect(() => editDefinition(LIVE, { vcpus: 0 })).toThrow("not a number of vCPUs");
  });

  test("names what is not there, or is there already", () => {
    expect(() => editDefinition(LIVE, { disks: { vdq: null } })).toThrow("vdq: the definition has no such disk");
    expect(() => editDefinition(LIVE, { macs: { "52:54:00:00:00:99": "52:54:00:00:00:01" } })).toThrow("no such MAC");
    const disk = { device: "vda", path: "/x", format: "raw", readonly: false, serial: null };
    expect(() => editDefinition(LIVE, { addDisks: [disk] })).toThrow("has it already");
    const added = editDefinition(LIVE, { addDisks: [{ ...disk, device: "vdc", path: "/x & y" }] });
    expect(parseDefinition(added).disks.at(-1)).toMatchObject({ device: "vdc", source: "/x & y", bus: "virtio" });
  });

  test("never lets a control character in", () => {
    for (const bad of ["a\nb", "a\0b", "a\u001bb", "a\uffffb", "\ud800"]) {
      expect(() => editDefinition(LIVE, { name: bad })).toThrow("control character");
      expect(() => newDefinition({ ...SPEC, name: bad }, HOST)).toThrow("control character");
    }
  });
});

describe("a new definition", () => {
  test("has what was asked for, whatever the characters in it", () => {
    const definition = parseDefinition(newDefinition(SPEC, HOST));
    expect(definition).toMatchObject({
      name: SPEC.name,
      uuid: SPEC.uuid,
      vcpus: 2,
      ramBytes: SPEC.ramBytes,
      agentChannel: true,
      nvram: null,
    });
    expect(definition.disks.map(({ source, readonly, bus }) => [source, readonly, bus])).toEqual([
      ["/l/a'b.qcow2", false, "virtio"],
      ["/s/seed.iso", true, "virtio"],
    ]);
    expect(definition.interfaces).toMatchObject([{ mac: "52:54:00:00:00:01", network: "default" }]);
  });

  test("has a generation id of its own", () => {
    const ids = [1, 2].map(() => /<genid>([0-9a-f-]{36})<.genid>/.exec(newDefinition(SPEC, HOST))?.[1]);
    expect(new Set(ids).size).toBe(2);
    expect(ids).not.toContain(undefined);
  });

  test("uses the processor's own virtualization only where it works, and leaves ports free on q35", () => {
    expect(newDefinition(SPEC, HOST)).toMatch(/^<domain type='kvm'>[\s\S]*<cpu mode='host-model'/);
    const emulated = newDefinition(SPEC, { ...HOST, kvm: false, machine: "pc" });
    expect(emulated).toMatch(/^<domain type='qemu'>/);
    expect(emulated).not.toMatch(/<cpu|pcie/);
    expect(newDefinition(SPEC, HOST).match(/pcie-root-port/g)).toHaveLength(16);
  });

  test("shows its screen to this host alone, and logs its console where it was told", () => {
    const xml = newDefinition(SPEC, HOST);
    expect(xml).toContain("<listen type='address' address='127.0.0.1'/>");
    expect(xml.match(/<log file='\/c\/web.log' append='on'\/>/g)).toHaveLength(2);
  });
});
