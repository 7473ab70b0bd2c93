/** What attaching and letting go make of a volume's record, whoever does it; and how a definition tells of it. */
import { chainOrNull } from "../graph/references.ts";
import type { DomainDefinition } from "../model/host.ts";
import type { State, Volume } from "../model/state.ts";

/** It is a disk of the instance from here on, which did not make it, and so does not take it with it. Idempotent. */
export function attachTo(volume: Volume, uuid: string, device: string): void {
  volume.instance = uuid;
  volume.device = device;
  volume.deleteWithInstance = false; // stores of before have free volumes that say true
}

/** It is nobody's, also where an instance's creation made it: no other instance takes it with it. Idempotent. */
export function letGo(volume: Volume): void {
  volume.instance = null;
  volume.device = null;
  volume.deleteWithInstance = false;
}

/**
 * What every definition that estrato writes has as the serial of a disk that is this volume. No disk that a guest
 * brought with it has that one. The guest sees 20 characters of it (/dev/disk/by-id): enough to tell volumes apart.
 */
export function serialOf({ id }: Pick<Volume, "id">): string {
  return id.slice(0, 20);
}

/** Was it attached by us, whatever it is, and not with its guest when that was taken in? */
export function isAttachedByUs({ disks }: DomainDefinition, volume: Volume): boolean {
  return disks.some(({ device, serial }) => device === volume.device && serial === serialOf(volume));
}

/**
 * Is the volume a disk that was there before us? One that was made here is not, though it stand on such a file, or
 * another tool have put one on it.
 */
export function wasThereBefore(
  state: State,
  { head, name, sourceSnapshot, sourceImage, deleteWithInstance }: Volume,
): boolean {
  if (deleteWithInstance || name !== null || sourceSnapshot !== null || sourceImage !== null) return false;
  return (chainOrNull(state, head) ?? [head]).some((id) => state.layers[id]?.foreign != null);
}
