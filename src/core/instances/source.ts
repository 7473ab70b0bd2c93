/** What a new instance is made from: an image, a snapshot or a volume, as one thing. */
import { NO_FIRMWARE } from "../firmware.ts";
import { findImage } from "../images/find.ts";
import type { State } from "../model/state.ts";
import { findSnapshot, snapshotLabel } from "../snapshots/find.ts";
import { findVolume, volumeLabel } from "../volumes/find.ts";

/** What a person named. */
export interface SourceChoice {
  readonly kind: "image" | "snapshot" | "volume";
  readonly target: string;
}

export interface InstanceSource {
  readonly kind: "image" | "snapshot" | "volume";
  readonly id: string;
  readonly label: string; // for messages: "image debian12"
  /** None of a volume, which is attached itself. */
  readonly disks: readonly { readonly device: string; readonly layer: string; readonly sizeBytes: number }[];
  readonly minDiskBytes: number;
  readonly minRamBytes: number;
  /** Of the guest that the source was taken from; null where it was no guest. */
  readonly flavor: string | null;
  readonly vcpus: number | null;
  readonly ramBytes: number | null;
  readonly definition: string | null; // file name under records/
  readonly nvram: string | null; // file name under nvram/
  readonly tpm: string | null; // the same
  readonly uefi: boolean; // of a guest with UEFI
}

/** The image, snapshot or volume of this id or name. Throws "not_found" where there is none, or several. */
export function findSource(state: State, choice: SourceChoice): InstanceSource {
  if (choice.kind === "image") {
    const image = findImage(state, choice.target);
    return { ...image, kind: "image", label: `image ${image.name}`, flavor: null, vcpus: null, ramBytes: null };
  }
  if (choice.kind === "volume") {
    const volume = findVolume(state, choice.target);
    const nothing = { definition: null, ...NO_FIRMWARE, flavor: null, vcpus: null, ramBytes: null };
    const label = `volume ${volumeLabel(state, volume)}`;
    const { uefi } = volume;
    return { kind: "volume", id: volume.id, label, disks: [], minDiskBytes: 0, minRamBytes: 0, uefi, ...nothing };
  }
  const snapshot = findSnapshot(state, choice.target);
  return {
    kind: "snapshot",
    id: snapshot.id,
    label: `snapshot ${snapshotLabel(state, snapshot)}`,
    disks: snapshot.disks,
    minDiskBytes: 0,
    minRamBytes: 0,
    flavor: snapshot.flavor,
    vcpus: snapshot.vcpus,
    ramBytes: snapshot.ramBytes,
    definition: snapshot.definition,
    nvram: snapshot.nvram,
    tpm: snapshot.tpm,
    uefi: snapshot.uefi,
  };
}

/** Is it still there, now that we look again inside a transaction? */
export function sourceExists(state: State, source: InstanceSource): boolean {
  const all = { image: state.images, snapshot: state.snapshots, volume: state.volumes }[source.kind];
  return all[source.id] !== undefined;
}
