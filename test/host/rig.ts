/** What the contract suite needs beside the host itself: disks with content, and guests that write. */
import type { NewCard } from "../../src/core/model/host.ts";
import type { HostPort } from "../../src/core/ports.ts";

/** What a disk reads as: cluster of 64 KiB → the capital letter that fills it. Clusters of zeros are left out. */
export type Content = Readonly<Record<number, string>>;

export interface Rig {
  readonly host: HostPort;
  /** An empty folder that QEMU can enter. */
  readonly folder: string;
  /** A file of 16 clusters in the folder; returns its path. */
  addImage(
    name: string,
    file?: { readonly format?: string; readonly content?: Content; readonly backing?: string },
  ): Promise<string>;
  /** A file in the folder that holds a text; returns its path. */
  addText(name: string, text: string): Promise<string>;
  /** Writes into a file that nobody has open. */
  write(path: string, cluster: number, letter: string): Promise<void>;
  /** What the file and all that it stands on read as. Somebody may have it open. */
  read(path: string): Promise<Content>;
  /** A guest writes into a disk of its own. No operating system is needed for it. */
  guestWrite(uuid: string, device: string, cluster: number, letter: string): Promise<void>;
  /** A running guest whose agent answers; its disk is vda. */
  bootedGuest(name: string): Promise<string>;
  /** Makes sure that no agent answers; where no operating system is, none does. */
  silence?(uuid: string): Promise<void>;
  /** A freeze of the guest's file systems that nobody thaws. */
  freeze(uuid: string): Promise<void>;
  /** Leaves an active commit behind that waits for its pivot, as a kill would. */
  leaveCommit(uuid: string, device: string, base: string): Promise<void>;
  /** Begins a copy of a disk into a new file, as somebody else's tool does. */
  leaveCopy(uuid: string, device: string, to: string): Promise<void>;
  /** A file that its QEMU has open for no disk, as a death of libvirtd leaves it. */
  leaveOpen(uuid: string, path: string): Promise<void>;
  /** QEMU dies as by kill -9; returns when libvirt knows. */
  killQemu(uuid: string): Promise<void>;
  /** Ends all domains and removes what the rig made. */
  close(): Promise<void>;
}

export const CLUSTER_BYTES = 65536;
export const DISK_BYTES = 16 * CLUSTER_BYTES;

let count = 0;

/** Defines a domain with these qcow2 disks; it has no operating system. Returns its UUID. */
export async function defineGuest(
  rig: Rig,
  disks: Readonly<Record<string, string>>,
  interfaces: readonly NewCard[] = [],
): Promise<string> {
  count += 1;
  const uuid = `00000000-0000-4000-8000-${String(count).padStart(12, "0")}`;
  const xml = await rig.host.newDefinition({
    name: `guest${count}`,
    uuid,
    vcpus: 1,
    ramBytes: 64 * 2 ** 20,
    disks: Object.entries(disks).map(([device, path]) => ({
      device,
      path,
      format: "qcow2",
      readonly: false,
      serial: null,
    })),
    interfaces,
    consoleLog: `${rig.folder}/guest${count}.console`,
  });
  await rig.host.perform({ do: "define", xml });
  return uuid;
}

/** The same, running. */
export async function startGuest(rig: Rig, disks: Readonly<Record<string, string>>): Promise<string> {
  const uuid = await defineGuest(rig, disks);
  await rig.host.perform({ do: "start", domain: uuid, paused: false });
  return uuid;
}

/** A new head on `backing`; returns its path. */
export async function addHead(rig: Rig, name: string, backing: string): Promise<string> {
  const path = `${rig.folder}/${name}`;
  await rig.host.perform({
    do: "create-disk",
    path,
    backing: { path: backing, format: "qcow2" },
    sizeBytes: DISK_BYTES,
  });
  return path;
}

/** Puts a running guest's vda onto a new head, and freezes what was the head; returns the new one's path. */
export async function snapshot(rig: Rig, uuid: string, name: string): Promise<string> {
  const [disk] = await rig.host.qemuDisks(uuid);
  const old = disk?.chain[0] ?? "";
  const path = await addHead(rig, name, old);
  const disks = [{ device: "vda", path }];
  await rig.host.perform({ do: "switch-disks", domain: uuid, disks, excluded: [], quiesce: false });
  await rig.host.perform({ do: "set-mode", path: old, mode: 0o400 });
  return path;
}

/** The chain that QEMU has open for vda, as names in the rig's folder. */
export async function chainOf(rig: Rig, uuid: string): Promise<string[]> {
  const [disk] = await rig.host.qemuDisks(uuid);
  return (disk?.chain ?? []).map((path) => path.replace(`${rig.folder}/`, ""));
}

/** The heads of vda that libvirt's two definitions name. */
export async function definedHeads(rig: Rig, uuid: string): Promise<(string | undefined)[]> {
  const status = await rig.host.domainStatus(uuid);
  return [status?.live, status?.inactive].map((definition) =>
    definition?.disks.find(({ device }) => device === "vda")?.source?.replace(`${rig.folder}/`, ""),
  );
}
