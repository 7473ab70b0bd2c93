/** The throw-away guest that boots from a backup: overlays that take what it writes, and no network. */
import { secretOf } from "../graph/files.ts";
import type { Action } from "../model/action.ts";
import type { DiskFile } from "../model/host.ts";
import type { Step } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { type Backup, diskChain } from "./backup.ts";
import type { WholeBackup } from "./find.ts";
import type { BackupDisk } from "./manifest.ts";
import type { BackupTarget } from "./targets/target.ts";

export interface BootGuest {
  readonly backup: WholeBackup;
  /** The one that it is in. */
  readonly target: BackupTarget;
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
  const { backup, target, uuid, overlays, nvram, secret } = guest;
  const { manifest } = backup;
  const stored = target.backup(backup.id);
  const overlayOf = manifest.disks.map(
    ({ file, sizeBytes }, index): Action => ({
      do: "create-disk",
      path: overlays[index] ?? "",
      backing: stored.image(file),
      sizeBytes,
      ...secretOf({ secret }),
    }),
  );
  const xml = await world.host.newDefinition({
    name: `estrato-verify-${backup.id}`,
    uuid,
    vcpus: manifest.instance.vcpus,
    ramBytes: manifest.instance.ramBytes,
    // As a new instance of it gets them: the machine that is made here has no IDE, and no SCSI that every kernel knows.
    disks: manifest.disks.map((disk, index) => ({
      device: `vd${String.fromCharCode(97 + index)}`,
      ...overlayFile(guest, disk, overlays[index] ?? ""),
      readonly: false,
      serial: null,
    })),
    interfaces: [],
    consoleLog: world.store.paths.consoleLog(uuid),
    ...(nvram === null ? {} : { nvram }),
  });
  const copied: Action[] =
    nvram === null || manifest.nvram === null ? [] : stored.copyOut(manifest.nvram.file, nvram, 0o600);
  return [
    { id: "make-overlays", title: "Make overlays", actions: [...overlayOf, ...copied] },
    { id: "define-guest", title: "Define a guest", actions: [{ do: "define", xml }] },
    { id: "start", title: "Start it", actions: [{ do: "start", domain: uuid, paused: false }] },
  ];
}

/**
 * libvirt opens an encrypted chain only where the definition names each file of it, with the secret (LIBVIRT.md, trap
 * 22).
 */
function overlayFile({ backup, target, known, secret }: BootGuest, disk: BackupDisk, path: string): DiskFile {
  if (secret === null) return { path, format: "qcow2" };
  const backing = diskChain(target, backup.id, disk, known).map((one) => one.backup.image(one.file));
  return { path, format: "qcow2", encryption: { secret, backing } };
}
