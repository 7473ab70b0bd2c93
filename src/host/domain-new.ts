/** The document of a domain that we make. Source of the words: libvirt.org/formatdomain.html. */
import type {
  CardSource,
  DiskEncryption,
  Forward,
  HostCapabilities,
  NewCard,
  NewDisk,
  NewDomain,
} from "../core/model/host.ts";
import { randomUuid } from "../random.ts";
import { markXml } from "./domain-marks.ts";
import { escapeXml } from "./xml.ts";

/**
 * A new domain: virtio disks and network cards, the agent's channel, a serial console with a log, a random number
 * generator, and a screen that only this host can reach (a screenshot needs one). "usage" for text that XML cannot
 * hold.
 */
export function newDefinition(spec: NewDomain, host: HostCapabilities): string {
  const kib = Math.floor(spec.ramBytes / 1024);
  return `<domain type='${host.kvm ? "kvm" : "qemu"}'>
  <name>${escapeXml(spec.name)}</name>
  <uuid>${escapeXml(spec.uuid)}</uuid>
  <genid>${randomUuid()}</genid>
${spec.mark === undefined ? "" : `  <metadata>${markXml(spec.uuid, spec.mark)}</metadata>\n`}  <memory unit='KiB'>${kib}</memory>
  <currentMemory unit='KiB'>${kib}</currentMemory>
  <vcpu placement='static'>${spec.vcpus}</vcpu>
  <os${spec.nvram === undefined ? "" : " firmware='efi'"}>
    <type arch='${escapeXml(host.arch)}' machine='${escapeXml(host.machine)}'>hvm</type>
    <boot dev='hd'/>
${firmwareXml(spec)}  </os>
  <features>
    <acpi/>
    <apic/>
  </features>
${cpuXml(host)}  <clock offset='utc'>
    <timer name='rtc' tickpolicy='catchup'/>
    <timer name='pit' tickpolicy='delay'/>
    <timer name='hpet' present='no'/>
  </clock>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>${escapeXml(host.emulator)}</emulator>
${spec.disks.map(diskXml).join("\n")}
${rootPortsXml(spec, host)}${spec.interfaces.map(interfaceXml).join("")}    <serial type='pty'>
      <log file='${escapeXml(spec.consoleLog)}' append='on'/>
      <target port='0'/>
    </serial>
    <console type='pty'>
      <log file='${escapeXml(spec.consoleLog)}' append='on'/>
      <target type='serial' port='0'/>
    </console>
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
    <graphics type='vnc' port='-1' autoport='yes'>
      <listen type='address' address='127.0.0.1'/>
    </graphics>
    <video>
      <model type='vga'/>
    </video>
    <memballoon model='virtio'/>
    <rng model='virtio'>
      <backend model='random'>/dev/urandom</backend>
    </rng>
  </devices>
</domain>
`;
}

/** Secure Boot would only refuse what its keys don't know; who wants it has it in a definition of his own. */
function firmwareXml({ nvram }: NewDomain): string {
  if (nvram === undefined) return "";
  return `    <firmware>
      <feature enabled='no' name='secure-boot'/>
    </firmware>
    <nvram>${escapeXml(nvram)}</nvram>
`;
}

/**
 * A named model with the host's features, which libvirt writes out in full when the guest starts: a memory snapshot
 * then resumes on the very same processor. Software emulation keeps QEMU's own default.
 */
function cpuXml(host: HostCapabilities): string {
  return host.kvm ? "  <cpu mode='host-model' check='partial'/>\n" : "";
}

const OWN_PORTS = 5; // USB, virtio-serial, memballoon, rng, and one that libvirt may add
const SPARE_PORTS = 8;

/** q35 plugs a disk into a running guest only where a free root port is; libvirt makes none to spare. */
function rootPortsXml(spec: NewDomain, host: HostCapabilities): string {
  if (!host.machine.includes("q35")) return "";
  const count = OWN_PORTS + spec.disks.length + spec.interfaces.length + SPARE_PORTS;
  return `    <controller type='pci' model='pcie-root'/>\n${"    <controller type='pci' model='pcie-root-port'/>\n".repeat(count)}`;
}

/** A virtio network card. */
export function interfaceXml(nic: NewCard): string {
  const { type, elements } = cardSourceXml(nic);
  return `    <interface type='${type}'>
      <mac address='${escapeXml(nic.mac)}'/>
${elements.map((one) => `      ${one}\n`).join("")}      <model type='virtio'/>
    </interface>
`;
}

/** What says where a card is plugged in: the type of its element, and the elements in it. */
export function cardSourceXml(source: CardSource): { readonly type: string; readonly elements: readonly string[] } {
  if ("network" in source) return { type: "network", elements: [`<source network='${escapeXml(source.network)}'/>`] };
  if ("bridge" in source) return { type: "bridge", elements: [`<source bridge='${escapeXml(source.bridge)}'/>`] };
  const { backend, forwards } = source.user;
  if (backend === "qemu") return { type: "user", elements: [] };
  return { type: "user", elements: ["<backend type='passt'/>", ...forwards.map(forwardXml)] };
}

/** libvirt.org/formatdomain.html, "Userspace connection using passt": for that backend alone. */
export function forwardXml({ protocol, address, host, guest }: Forward): string {
  return `<portForward proto='${protocol}' address='${escapeXml(address)}'><range start='${host}' to='${guest}'/></portForward>`;
}

/** The bus that a target's name stands for (vda: virtio). */
function busOf(device: string): string {
  const prefix = device.slice(0, 2);
  return prefix === "sd" ? "scsi" : prefix === "hd" ? "ide" : "virtio";
}

/** A path under /dev that is a device by its place (not a file in shared memory). */
export function isDevicePath(path: string): boolean {
  return path.startsWith("/dev/") && !path.startsWith("/dev/shm/");
}

/** A disk's element. What the guest discards is given back to the host's file system. */
export function diskXml(disk: NewDisk): string {
  const device = isDevicePath(disk.path);
  const discard = disk.readonly ? "" : " discard='unmap'";
  return `    <disk type='${device ? "block" : "file"}' device='disk'>
      <driver name='qemu' type='${escapeXml(disk.format)}'${discard}/>
      ${sourceXml(disk)}
      <target dev='${escapeXml(disk.device)}' bus='${busOf(disk.device)}'/>
${disk.readonly ? "      <readonly/>\n" : ""}${disk.serial === null ? "" : `      <serial>${escapeXml(disk.serial)}</serial>\n`}    </disk>`;
}

function sourceXml({ path, encryption }: NewDisk): string {
  const named = `source ${isDevicePath(path) ? "dev" : "file"}='${escapeXml(path)}'`;
  if (encryption === undefined) return `<${named}/>`;
  return `<${named}>${encryptionXml(encryption.secret)}</source>${backingXml(encryption)}`;
}

/** The element that names the secret of a LUKS file. */
export function encryptionXml(secret: string): string {
  return `<encryption format='luks'><secret type='passphrase' uuid='${escapeXml(secret)}'/></encryption>`;
}

/**
 * The chain below an encrypted disk. It does not say that it ends there: libvirt looks into the last file, and refuses
 * a guest whose definition leaves out layers, who would read zeros in their place (measured).
 */
function backingXml({ secret, backing }: DiskEncryption): string {
  return backing.reduceRight(
    (below, { path, format }) =>
      `<backingStore type='file'><format type='${escapeXml(format)}'/><source file='${escapeXml(path)}'>${encryptionXml(secret)}</source>${below}</backingStore>`,
    "",
  );
}
