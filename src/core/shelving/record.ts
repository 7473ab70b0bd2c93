/** What a shelved instance consists of: its record, and the image that holds its disks, definition, NVRAM and TPM. */
import { EstratoError } from "../../errors.ts";
import { recordedFiles } from "../firmware.ts";
import { type Action, unlinkAll } from "../model/action.ts";
import type { Image, Instance, Shelved, State } from "../model/state.ts";
import type { World } from "../ports.ts";

/** An instance that is shelved, and what it is shelved in. */
export interface Shelf {
  readonly record: Instance;
  readonly shelved: Shelved;
  readonly image: Image;
}

/** Names of images have 128 characters at most, and so have those of instances. */
const LONGEST_STEM = 120;

/** `web1-shelved`: the image that web1 becomes. */
export function shelvedImageName(instance: string): string {
  return `${[...instance].slice(0, LONGEST_STEM).join("")}-shelved`;
}

/** The shelved instance of this id or name, whatever else libvirt calls so now; null where there is none. */
export function findShelved(state: State, target: string): Instance | null {
  const shelved = Object.values(state.instances).filter((one) => one.shelved !== null);
  return shelved.find((one) => one.id === target) ?? shelved.find((one) => one.name === target) ?? null;
}

/** Throws "integrity" where its image has gone. Null where it is not shelved. */
export function shelfOf(state: State, uuid: string): Shelf | null {
  const record = state.instances[uuid];
  if (record === undefined || record.shelved === null) return null;
  const image = state.images[record.shelved.image];
  if (image === undefined) {
    throw new EstratoError("integrity", `instance ${record.name}: its image ${record.shelved.image} is not recorded`, {
      hint: 'Run "estrato doctor".',
    });
  }
  return { record, shelved: record.shelved, image };
}

/** The files that the image keeps beside its layers. Idempotent. */
export function unlinkShelf(world: World, image: Image): Action[] {
  return unlinkAll(recordedFiles(world, image));
}
