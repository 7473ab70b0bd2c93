import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseDefinition } from "../../../src/host/domain-xml.ts";
import { parseFirmwares } from "../../../src/host/firmwares.ts";
import { takenFrom } from "../../../src/host/proposal/domain.ts";
import { namedOfHost } from "../../../src/host/proposal/named.ts";
import { parseXml } from "../../../src/host/xml.ts";

const LOADER = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const HOST = { kvm: true, emulator: "/usr/bin/qemu-system-x86_64", firmwares: [LOADER] };

/** Everything in it that names something of a host, each with a word that is found nowhere else. */
const NAMING = `
  <os><kernel>/evil/kernel</kernel><initrd>/evil/initrd</initrd><cmdline>evil</cmdline><dtb>/evil/dtb</dtb>
    <smbios mode='sysinfo'/><acpi><table type='slic'>/evil/slic</table></acpi></os>
  <sysinfo type='fwcfg'><entry name='opt/x' file='/evil/fwcfg'/></sysinfo>
  <memoryBacking><source type='file'/></memoryBacking><numatune/><iothreads>1</iothreads>
  <seclabel type='static' model='dac'><label>evil</label></seclabel>
  <qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:arg value='-evil'/></qemu:commandline>
  <devices>
    <emulator>/evil/emulator</emulator>
    <interface type='ethernet'><mac address='52:54:00:11:22:33'/><script path='/evil/script'/><target dev='evil0'/></interface>
    <interface type='bridge'><source bridge='evilbr'/></interface>
    <interface type='hostdev'><source><address type='pci' bus='0x01'/></source></interface>
    <interface type='vhostuser'><source type='unix' path='/evil/vhost'/></interface>
    <serial type='file'><source path='/evil/serial'/></serial>
    <parallel type='dev'><source path='/evil/parallel'/></parallel>
    <console type='tcp'><source mode='connect' host='evil.example' service='1'/></console>
    <channel type='unix'><source path='/evil/channel'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>
    <filesystem type='mount' accessmode='passthrough'><source dir='/evil/shared'/><target dir='host'/></filesystem>
    <hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/></source></hostdev>
    <redirdev bus='usb' type='tcp'><source mode='connect' host='evil.example' service='2'/></redirdev>
    <smartcard mode='host-certificates'><database>/evil/nss</database></smartcard>
    <tpm model='tpm-tis'><backend type='passthrough'><device path='/evil/tpm'/></backend></tpm>
    <rng model='virtio'><backend model='egd' type='unix'><source mode='connect' path='/evil/rng'/></backend></rng>
    <graphics type='vnc' listen='0.0.0.0' passwd='evil'/>
    <graphics type='egl-headless'><gl rendernode='/evil/render'/></graphics>
    <video><model type='vga'/><driver vgaconf='evil'/></video>
    <sound model='ich9'/><audio id='1' type='file' path='/evil/audio'/>
    <shmem name='evil'/><memory model='nvdimm'><source><path>/evil/nvdimm</path></source></memory>
    <vsock model='virtio'><cid auto='no' address='3'/></vsock><crypto model='virtio'/><panic model='isa'/>
    <input type='evdev'><source dev='/evil/input'/></input>
    <disk type='file' device='cdrom'><source file='/evil/iso'/><target dev='sdc' bus='sata'/></disk>
    <disk type='file' device='disk'><driver name='qemu' type='raw' cache='unsafe' io='threads'/><source file='/evil/disk'/>
      <backingStore type='file'><source file='/evil/backing'/></backingStore><target dev='sda' bus='sata'/>
      <serial>SER-1</serial><blockio logical_block_size='4096'/><boot order='1'/><iotune/><shareable/>
      <address type='drive' controller='0' bus='0' target='0' unit='2'/></disk>
    <controller type='sata' index='0'><address type='pci' domain='0x0000' bus='0x00' slot='0x1f' function='0x2'/></controller>
  </devices>`;

const domain = (inside: string) =>
  `<domain type='kvm'><name>odd</name><uuid>00000000-0000-4000-8000-000000000001</uuid><memory unit='MiB'>64</memory><vcpu>3</vcpu>${inside}</domain>`;

describe("a definition from outside", () => {
  test("gives nothing that names anything of the host, and all that was left out is named", () => {
    const { xml, leftOut } = takenFrom(domain(NAMING), HOST, "outside");
    expect(xml).not.toMatch(/evil|hostdev|filesystem|script|0\.0\.0\.0|passthrough|shareable|unsafe/);
    const words = leftOut.join("\n");
    const parts = ["os/kernel", "os/initrd", "os/cmdline", "os/dtb", "os/smbios", "os/acpi", "sysinfo (fwcfg)"];
    const more = ["memoryBacking", "numatune", "iothreads", "seclabel", "qemu:commandline", "interface (ethernet)"];
    const devices = ["interface (bridge evilbr)", "interface (hostdev)", "interface (vhostuser)", "interface/script"];
    const ports = ["serial (file)", "parallel (dev)", "console (tcp)", "channel (unix)", "channel (spicevmc)"];
    const others = ["filesystem (mount)", "hostdev (usb)", "redirdev (tcp)", "smartcard", "tpm (passthrough)", "sound"];
    const rest = ["graphics (vnc)", "graphics (egl-headless)", "audio (file)", "shmem", "memory", "vsock", "cdrom sdc"];
    const last = ["disk sda/iotune", "disk sda/shareable", "emulator", "video/driver", "input type=evdev"];
    for (const part of [...parts, ...more, ...devices, ...ports, ...others, ...rest, ...last])
      expect(words, part).toContain(part);
  });

  test("gives the machine that its disks boot on", () => {
    const machine = `<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><loader readonly='yes' secure='yes' type='pflash'>${LOADER}</loader>
      <nvram template='/evil/vars'>/evil/nvram</nvram><boot dev='hd'/></os>
      <features><acpi/><smm state='on'/><hyperv mode='custom'><relaxed state='on'/></hyperv></features>
      <cpu mode='host-passthrough'/><clock offset='localtime'><timer name='hpet' present='no'/></clock>
      <devices><interface type='network'><mac address='52:54:00:11:22:33'/><source network='default'/><model type='e1000e'/></interface>
      <video><model type='qxl' ram='65536'/></video><tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
      <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
      <disk type='file' device='disk'><target dev='sda' bus='sata'/><serial>SER-1</serial><address type='drive' controller='0' bus='0' target='0' unit='2'/></disk>
      </devices>`;
    const { xml, leftOut } = takenFrom(domain(machine), HOST, "outside");
    expect(leftOut).toEqual([]);
    expect(xml).not.toContain("evil");
    const whole = [
      "pc-q35-7.2",
      LOADER,
      `secure="yes"`,
      `<smm state="on"/>`,
      "relaxed",
      "host-passthrough",
      "localtime",
    ];
    const devices = [`name="hpet"`, "e1000e", "qxl", "tpm-crb", "guest_agent", `bus="sata"`, "SER-1", `unit="2"`];
    for (const part of [...whole, ...devices]) expect(xml, part).toContain(part);
    expect(parseDefinition(xml)).toMatchObject({
      ...{ vcpus: 3, ramBytes: 64 * 2 ** 20, machine: "pc-q35-7.2", firmware: true, agentChannel: true, nvram: null },
      interfaces: [{ mac: "52:54:00:11:22:33", network: "default", type: "network" }],
      disks: [{ device: "sda", bus: "sata", source: null, serial: "SER-1", readonly: false }],
    });
  });

  test("gives no firmware that this host does not offer, but one of its kind", () => {
    const other = `<os><type arch='x86_64' machine='q35'>hvm</type><loader readonly='yes' secure='yes' type='pflash'>/home/me/CODE.fd</loader></os>`;
    const { xml, leftOut } = takenFrom(domain(other), HOST, "outside");
    expect(leftOut).toEqual(["os/loader /home/me/CODE.fd, which this host does not offer"]);
    expect(xml).toMatch(/<os firmware="efi">.*<feature enabled="yes" name="secure-boot"\/>/);
    expect(xml).not.toContain("CODE.fd");
    const rom = takenFrom(domain(other.replace("pflash", "rom")), HOST, "outside");
    expect(parseDefinition(rom.xml).firmware).toBe(false);
  });

  test("gives one card, on no network by name; from here those of libvirt's networks", () => {
    const cards = `<devices><interface type='network'><mac address='52:54:00:00:00:01'/><source network='inner'/></interface>
      <interface type='network'><mac address='52:54:00:00:00:02'/><source network='store'/></interface></devices>`;
    const networks = (from: "outside" | "here") =>
      parseDefinition(takenFrom(domain(cards), HOST, from).xml).interfaces.map(({ network }) => network);
    expect(networks("outside")).toEqual(["default"]);
    expect(networks("here")).toEqual(["inner", "store"]);
    expect(takenFrom(domain(cards), HOST, "outside").leftOut).toEqual([
      "interface (network inner)",
      "interface (network store)",
    ]);
  });

  test("of a guest that libvirt runs here, live, nothing of the host stays", () => {
    const live = readFileSync(join(import.meta.dirname, "recorded/live.xml"), "utf8");
    const { xml } = takenFrom(live, { ...HOST, kvm: false }, "outside");
    expect(parseDefinition(xml).name).toBe("web1");
    const paths = [...xml.matchAll(/["'>](\/\w[^"'<]*)/g)].map(([, path]) => path);
    expect(new Set(paths)).toEqual(new Set([LOADER, "/usr/bin/qemu-system-x86_64"]));
  });

  test("is told in short words, on one line, whatever it says", () => {
    const odd = `<devices><serial type='${"x".repeat(5000)}'/><parallel type='&#10;y'/></devices>`;
    for (const word of takenFrom(domain(odd), HOST, "outside").leftOut) {
      expect(word.length).toBeLessThan(120);
      expect(word).not.toMatch(/\p{Cc}/u);
    }
  });
});

describe("what a definition names of the host", () => {
  test("is shown whole before it is trusted", () => {
    const lines = namedOfHost(domain(NAMING)).join("\n");
    const paths = [...NAMING.matchAll(/\/evil\/\w+/g)].map(([path]) => path);
    for (const one of [...paths, "bridge=evilbr", "host=evil.example", "value=-evil", "id=0x1234", "passthrough"])
      expect(lines, one).toContain(one);
  });

  test("says how many are not shown where nobody could read them", () => {
    const many = Array.from({ length: 100 }, (_, index) => `<serial type='file'><source path='/s/${index}'/></serial>`);
    expect(namedOfHost(domain(`<devices>${many.join("")}</devices>`)).at(-1)).toBe("40 more, which are not shown");
  });
});

describe("the parser", () => {
  const inside = (depth: number) => `<domain>${"<a>".repeat(depth)}${"</a>".repeat(depth)}</domain>`;

  test("takes no document that is larger or deeper than any of libvirt's, and no entity", () => {
    expect(() => parseXml(inside(100_000), "domain")).toThrow(expect.objectContaining({ code: "host" }));
    expect(() => parseXml(inside(200), "domain")).not.toThrow();
    const comment = `<domain><!--${"x".repeat(5 * 2 ** 20)}--></domain>`;
    expect(() => parseXml(comment, "domain")).toThrow(expect.objectContaining({ code: "host" }));
    for (const entity of [`<!DOCTYPE d [<!ENTITY x "y">]><domain>&x;</domain>`, "<domain>&x;</domain>"])
      expect(() => parseXml(entity, "domain")).toThrow(expect.objectContaining({ code: "host" }));
  });
});

test("the firmware that libvirt offers is what domcapabilities lists", () => {
  const answer = `<domainCapabilities><os supported='yes'><loader supported='yes'><value>${LOADER}</value><enum name='type'><value>rom</value></enum></loader></os></domainCapabilities>`;
  expect(parseFirmwares(answer)).toEqual([LOADER]);
});
