/** Which volumes are an instance's disks. */
import type { State, Volume } from "../model/state.ts";

/** Volumes of an instance, by device. */
export function volumesOf(state: State, uuid: string): Map<string, Volume> {
  const found = new Map<string, Volume>();
  for (const volume of Object.values(state.volumes)) {
    if (volume.instance === uuid && volume.device !== null) found.set(volume.device, volume);
  }
  return new Map([...found].sort(([a], [b]) => a.length - b.length || a.localeCompare(b)));
}
