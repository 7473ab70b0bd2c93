/** What a volume is made from: one disk of a snapshot or of an image, or nothing. */
import { EstratoError } from "../../errors.ts";
import { findImage } from "../images/find.ts";
import type { State } from "../model/state.ts";
import { findSnapshot, snapshotLabel } from "../snapshots/find.ts";

/** What a person named. `disk`: a device, where it has several. */
export interface VolumeSourceChoice {
  readonly kind: "image" | "snapshot";
  readonly target: string;
  readonly disk: string | null;
}

export interface VolumeSource {
  readonly kind: "image" | "snapshot";
  readonly id: string;
  readonly label: string; // for messages: "snapshot web1/s1"
  readonly layer: string;
  readonly uefi: boolean; // of a guest with UEFI
}

/** Throws "not_found"; "usage" where it has several disks and none is chosen, or not the chosen one. */
export function findVolumeSource(state: State, choice: VolumeSourceChoice): VolumeSource {
  const { kind, id, label, disks, uefi } = found(state, choice);
  const devices = disks.map(({ device }) => device).join(", ");
  const chosen = choice.disk === null ? disks : disks.filter(({ device }) => device === choice.disk);
  const [one, second] = chosen;
  if (one === undefined) {
    throw new EstratoError("usage", `${label}: it has no disk ${choice.disk ?? ""}`.trimEnd(), {
      hint: `Its disks: ${devices}.`,
    });
  }
  if (second !== undefined) {
    throw new EstratoError("usage", `${label}: it has several disks (${devices})`, { hint: "Choose one: --disk vda." });
  }
  return { kind, id, label, layer: one.layer, uefi };
}

function found(state: State, { kind, target }: VolumeSourceChoice) {
  if (kind === "image") {
    const image = findImage(state, target);
    return { kind, id: image.id, label: `image ${image.name}`, disks: image.disks, uefi: image.uefi };
  }
  const snapshot = findSnapshot(state, target);
  const label = `snapshot ${snapshotLabel(state, snapshot)}`;
  return { kind, id: snapshot.id, label, disks: snapshot.disks, uefi: snapshot.uefi };
}

/** Is it still there, with that layer, now that we look again inside a transaction? */
export function volumeSourceExists(state: State, source: VolumeSource): boolean {
  const one = source.kind === "image" ? state.images[source.id] : state.snapshots[source.id];
  return one?.disks.some(({ layer }) => layer === source.layer) ?? false;
}
