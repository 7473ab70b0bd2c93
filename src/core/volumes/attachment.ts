/** What attaching and letting go make of a volume's record, whoever does it; the host's half is elsewhere. */
import type { Volume } from "../model/state.ts";

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
