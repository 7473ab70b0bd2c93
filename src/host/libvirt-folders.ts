/** Where libvirt keeps what belongs to a guest beside its disks (read in src/qemu/qemu_conf.c, measured on 9.0 and 11.3). */
import { homedir } from "node:os";

/** As root it is the system's daemon that answers, also to qemu:///session. */
function sessionFolder(): string | null {
  if (process.getuid?.() === 0) return null;
  return `${process.env.XDG_CONFIG_HOME ?? `${homedir()}/.config`}/libvirt/qemu`;
}

/** NVRAM files that libvirt names itself. */
export function nvramFolder(): string {
  return `${sessionFolder() ?? "/var/lib/libvirt/qemu"}/nvram`;
}

/** What the emulated TPM of this domain keeps, of whatever version; `tpm2` in it is swtpm's own. */
export function tpmFolder(uuid: string): string {
  return `${sessionFolder() ?? "/var/lib/libvirt"}/swtpm/${uuid}`;
}
