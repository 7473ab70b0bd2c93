/** What this host can do, as libvirt tells it. Source: libvirt.org/formatcaps.html. */
import { readFile } from "node:fs/promises";
import type { HostCapabilities } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import type { Virsh } from "./virsh.ts";
import { attribute, childAt, childNamed, childrenNamed, childText, type ReadElement, readXml } from "./xml.ts";

/** Asks libvirt once. "host" where it can run no machine of this processor's kind. */
export async function readCapabilities(virsh: Virsh): Promise<HostCapabilities> {
  const [version, capabilities] = await virsh.batch([["version", "--daemon"], ["capabilities"]]);
  if (!version || !capabilities || version.error !== null || capabilities.error !== null) {
    throw new EstratoError("host", `virsh capabilities: ${capabilities?.error ?? version?.error ?? "no answer"}`, {
      hint: "Does libvirt run? systemctl status libvirtd.",
    });
  }
  const cpuinfo = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  return parseCapabilities({
    version: version.text,
    capabilities: capabilities.text,
    cpuinfo,
    ownUid: process.getuid?.() ?? 0,
  });
}

/** Puts the answers together: `virsh version --daemon`, `virsh capabilities`, /proc/cpuinfo, and our own user id. */
export function parseCapabilities(answers: {
  readonly version: string;
  readonly capabilities: string;
  readonly cpuinfo: string;
  readonly ownUid: number;
}): HostCapabilities {
  const root = readXml(answers.capabilities, "capabilities");
  const hostArch = childText(root, "host", "cpu", "arch") ?? "";
  const guest = childrenNamed(root, "guest").find(
    (each) => childText(each, "os_type") === "hvm" && attribute(childNamed(each, "arch"), "name") === hostArch,
  );
  const arch = guest ? childNamed(guest, "arch") : null;
  if (arch === null) {
    throw new EstratoError("host", `libvirt: no machine of kind ${hostArch || "unknown"} can run here`, {
      hint: "Install the Debian package qemu-system-x86.",
    });
  }
  const offersKvm = childrenNamed(arch, "domain").some((each) => attribute(each, "type") === "kvm");
  const listed = childrenNamed(arch, "machine");
  const machines = listed.map((each) => each.textContent ?? "");
  const canonical = listed.map((each) => attribute(each, "canonical")).filter((name) => name !== null);
  const libvirtVersion =
    /^Running against daemon: (\S+)$/m.exec(answers.version)?.[1] ?? /libvirt (\S+)/.exec(answers.version)?.[1] ?? "0";
  const qemuUser = readQemuUser(root, answers.ownUid);
  return {
    kvm: offersKvm && hasVirtualization(hostArch, answers.cpuinfo),
    arch: hostArch,
    machine: ["q35", "virt", "pc"].find((name) => machines.includes(name)) ?? machines[0] ?? "pc",
    machines: [...new Set([...machines, ...canonical])],
    emulator: childText(arch, "emulator") ?? `/usr/bin/qemu-system-${hostArch}`,
    ...ofQemuUser(qemuUser, answers.ownUid),
    ...(qemuUser !== null || answers.ownUid === 0 ? { nameStartBytes: nameStartBytesOf(libvirtVersion) } : {}),
    libvirtVersion,
    qemuVersion: /^Running hypervisor: QEMU (\S+)$/m.exec(answers.version)?.[1] ?? "0",
    maxChain: maxChainOf(libvirtVersion),
  };
}

/**
 * /dev/kvm may open and not work: on x86 the processor must show it (LIBVIRT.md, "A test host that needs no hardware").
 */
function hasVirtualization(arch: string, cpuinfo: string): boolean {
  return arch !== "x86_64" && arch !== "i686" ? true : /^flags\s*:.*\b(vmx|svm)\b/m.test(cpuinfo);
}

/** The base label of libvirt's DAC driver is the user that it starts QEMU as: `+64055:+64055`. */
function readQemuUser(root: ReadElement, ownUid: number): HostCapabilities["qemuUser"] {
  const host = childAt(root, "host");
  const dac = (host ? childrenNamed(host, "secmodel") : []).find((each) => childText(each, "model") === "dac");
  const [, uid, gid] = /^\+(\d+):\+(\d+)$/.exec((dac ? childText(dac, "baselabel") : null) ?? "") ?? [];
  return uid === undefined || Number(uid) === ownUid ? null : { uid: Number(uid), gid: Number(gid) };
}

function ofQemuUser(qemuUser: HostCapabilities["qemuUser"], ownUid: number) {
  return { qemuUser, ...(qemuUser !== null && ownUid !== 0 ? { takesFiles: true } : {}) };
}

/** libvirt 10.8 to 11.10 cannot start guests on longer chains (json-c); elsewhere its limit is 200 layers. */
export function maxChainOf(libvirtVersion: string): number {
  const [major = 0, minor = 0] = libvirtVersion.split(".").map(Number);
  const number = major * 1000 + minor;
  return number >= 10_008 && number <= 11_010 ? 24 : 128;
}

/** sockaddr_un, unix(7): 108 bytes with the one that ends it. */
const LONGEST_SOCKET_BYTES = 107;
/** More starts than one libvirtd has seen. */
const LONGEST_DOMAIN_ID = 6;

/**
 * The system's libvirt puts the first 20 characters of a domain's name, behind its number, into the path of the agent's
 * socket, and starts no guest for which that is too long (measured on 9.0 and 11.3; it moved to /run in between). A
 * user's has paths that depend on his home.
 */
export function nameStartBytesOf(libvirtVersion: string): number {
  const [major = 0] = libvirtVersion.split(".").map(Number);
  const folder = major < 10 ? "/var/lib/libvirt/qemu/channel/target/domain-" : "/run/libvirt/qemu/channel/";
  return LONGEST_SOCKET_BYTES - `${folder}-/org.qemu.guest_agent.0`.length - LONGEST_DOMAIN_ID;
}
