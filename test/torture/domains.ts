/** What libvirt itself says of the guests, and what a guest writes. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { sure } from "../e2e/processes.ts";
import { tryVirsh, virsh } from "../e2e/virsh.ts";
import { type Format, ioLine, type Write } from "./content.ts";
import { encryptedName } from "./luks.ts";

export interface DomainDisk {
  readonly device: string;
  readonly file: string;
  readonly format: Format;
}

/** Writable disks, by the definition of a start or, of one that runs, the live one. Null: there is no such domain. */
export async function disksOfDomain(uuid: string): Promise<DomainDisk[] | null> {
  const { code, stdout } = await tryVirsh("dumpxml", uuid);
  return code === 0 ? disksIn(stdout) : null;
}

export function disksIn(xml: string): DomainDisk[] {
  return [...xml.matchAll(/<disk [^>]*device='disk'[\s\S]*?<\/disk>/g)].flatMap(([disk]) => {
    const file = /<source file='([^']+)'/.exec(disk)?.[1];
    const device = /<target dev='([^']+)'/.exec(disk)?.[1];
    const format = /<driver [^>]*type='([^']+)'/.exec(disk)?.[1];
    if (file === undefined || device === undefined || disk.includes("<readonly/>")) return [];
    return [{ device, file, format: format === "raw" ? "raw" : "qcow2" } as const];
  });
}

/** "running", "paused"; null: it is off, or not there. */
export async function liveState(uuid: string): Promise<string | null> {
  const state = (await tryVirsh("domstate", uuid)).stdout.trim();
  return state === "" || state === "shut off" ? null : state;
}

/** As the guest: by its QEMU, or into the file that it would start from. */
export async function writeAsGuest(
  uuid: string,
  disk: DomainDisk,
  writes: readonly Write[],
  walk: string,
): Promise<void> {
  if ((await liveState(uuid)) === null) return writeFile(disk, writes, walk);
  const at = `/machine/peripheral/virtio-disk${disk.device.charCodeAt(2) - 97}/virtio-backend`;
  for (const line of [...writes.map(ioLine), "flush"]) {
    const said = await virsh("qemu-monitor-command", uuid, "--hmp", `qemu-io -d ${at} "${line}"`);
    if (said.trim() !== "" && !said.includes("wrote")) throw new Error(`${uuid}: ${line}: ${said}`);
  }
}

/** `walk`: the walk's folder, where the file may be encrypted. */
export async function writeFile(
  { file, format }: Omit<DomainDisk, "device">,
  writes: readonly Write[],
  walk?: string,
): Promise<void> {
  const locked = walk === undefined ? null : encryptedName(file, walk);
  const { options, name } = locked ?? { options: ["-f", format], name: file };
  await sure("qemu-io", ...options, ...writes.flatMap((one) => ["-c", ioLine(one)]), name);
}

/** Defines a guest as a person would with virsh. */
export async function defineGuest(folder: string, name: string, disks: readonly DomainDisk[]): Promise<string> {
  const devices = disks.map(
    ({ device, file, format }) =>
      `<disk type='file' device='disk'><driver name='qemu' type='${format}'/><source file='${file}'/>` +
      `<target dev='${device}' bus='virtio'/></disk>`,
  );
  const xml =
    `<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>` +
    `<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>${devices.join("")}</devices></domain>`;
  await redefine(folder, xml);
  return virsh("domuuid", name);
}

export async function redefine(folder: string, xml: string): Promise<void> {
  const file = join(folder, "define.xml");
  writeFileSync(file, xml);
  await virsh("define", file);
}
