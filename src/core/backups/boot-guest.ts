/** The throw-away guest that boots from a backup: overlays that take what it writes, and no network. */

import { secretOf } from "../graph/files.ts";
import type { Action } from "../model/action.ts";
import type { DiskFile } from "../model/host.ts";
import type { Step } from "../operation.ts";
import type { World } from "../ports.ts";
import type { WholeBackup } from "./find.ts";
import { folderOf } from "./layout.ts";
import { type Backup, filesOf } from "./list.ts";
import type { BackupDisk } from "./manifest.ts";

export interface BootGuest {
  readonly backup: WholeBackup;
  /** All backups of the target, by id. */
  readonly known: ReadonlyMap<string, Backup>;
  readonly uuid: string;
  /** Where the overlay of each disk goes. */
  readonly overlays: readonly string[];
  readonly nvram: string | null;
  /** Opens all of an encrypted backup. What the guest writes is encrypted with it too. */
  readonly secret: string | null;
}

/** From nothing to a guest that has been started. */
export async function guestSteps(world: World, guest: BootGuest): Promise<Step[]> {
  const { backup, uuid, overlays, nvram, secret } = guest;
  const { manifest } = backup;
  const folder = folderOf(backup.target, backup.id);
  const overlayOf = manifest.disks.map(
    ({ file, sizeBytes }, index): Action => ({
      do: "create-disk",
      path: overlays[index] ?? "",
      backing: { path: `${folder}/${file}`, format: "qcow2" },
      sizeBytes,
      ...secretOf({ secret }),
    }),
  );
  const xml = await world.host.newDefinition({
    name: `estrato-verify-${backup.id}`,
    uuid,
    vcpus: manifest.instance.vcpus,
    ramBytes: manifest.instance.ramBytes,
    disks: manifest.disks.map((disk, index) => ({
      device: disk.device,
      ...overlayFile(guest, disk, overlays[index] ?? ""),
      readonly: false,
      serial: null,
    })),
    interfaces: [],
    consoleLog: world.store.paths.consoleLog(uuid),
    ...(nvram === null ? {} : { nvram }),
  });
  const copied: Action[] =
    nvram === null || manifest.nvram === null
      ? []
      : [{ do: "copy-file", from: `${folder}/${manifest.nvram.file}`, to: nvram, mode: 0o600 }];
  return [
    { title: "Make overlays", actions: [...overlayOf, ...copied] },
    { title: "Define a guest", actions: [{ do: "define", xml }] },
    { title: "Start it", actions: [{ do: "start", domain: uuid, paused: false }] },
  ];
}

/** libvirt opens an encrypted chain only where the definition names each file, with the secret (LIBVIRT.md, trap 22). */
function overlayFile({ backup, known, secret }: BootGuest, disk: BackupDisk, path: string): DiskFile {
  if (secret === null) return { path, format: "qcow2" };
  const backing = filesOf(backup, disk, known).map((file) => ({ path: file.path, format: "qcow2" }));
  return { path, format: "qcow2", encryption: { secret, backing } };
}
