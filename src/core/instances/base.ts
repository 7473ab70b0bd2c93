/** The image that an instance is rebuilt on, and whose layers it keeps for that. */
import { NO_FIRMWARE } from "../firmware.ts";
import type { Base, Image } from "../model/state.ts";
import type { InstanceSource } from "./source.ts";

/** Of a lender's image nothing is kept but which one it was: its layers here are those of single disks. */
export function baseOf(image: Image, { isLent }: { readonly isLent: boolean }): Base {
  const { id, name, disks, uefi, tpm } = image;
  return { image: id, name, disks: isLent ? [] : disks.map((disk) => ({ ...disk })), uefi, tpm: tpm !== null };
}

/** What an instance is made from where that image is one no more: what its firmware kept went with it. */
export function sourceOfBase({ image, name, disks, uefi }: Base): InstanceSource {
  return {
    kind: "image",
    id: image,
    label: `image ${name} (deleted)`,
    disks,
    minDiskBytes: 0,
    minRamBytes: 0,
    flavor: null,
    vcpus: null,
    ramBytes: null,
    definition: null,
    ...NO_FIRMWARE,
    uefi,
  };
}
