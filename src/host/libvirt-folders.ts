/**
 * Where libvirt keeps what belongs to a guest beside its disks (read in src/qemu/qemu_conf.c, measured on 9.0 and
 * 11.3).
 */
import { homedir } from "node:os";

export interface LibvirtFolders {
  /** NVRAM files that libvirt names itself. */
  readonly nvram: string;
  /** What emulated TPMs keep, in a folder for each domain. */
  readonly swtpm: string;
}

export const SYSTEM_FOLDERS: LibvirtFolders = { nvram: "/var/lib/libvirt/qemu/nvram", swtpm: "/var/lib/libvirt/swtpm" };

/** As root it is the system's daemon that answers, also to qemu:///session. */
export function libvirtFolders(env: NodeJS.ProcessEnv, uid: number): LibvirtFolders {
  if (uid === 0) return SYSTEM_FOLDERS;
  const session = `${env.XDG_CONFIG_HOME ?? `${homedir()}/.config`}/libvirt/qemu`;
  return { nvram: `${session}/nvram`, swtpm: `${session}/swtpm` };
}

/** Where libvirt puts the NVRAM of a domain of this name, where its definition names no other place. */
export function nvramPlace({ nvram }: LibvirtFolders, name: string): string {
  return `${nvram}/${name}_VARS.fd`;
}

/** What the emulated TPM of this domain keeps, of whatever version; `tpm2` in it is swtpm's own. */
export function tpmFolder({ swtpm }: LibvirtFolders, uuid: string): string {
  return `${swtpm}/${uuid}`;
}
