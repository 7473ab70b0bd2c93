/** Which volumes are an instance's disks. */
import { compareTexts } from "../../order.ts";
import { oncePerState } from "../graph/once-per-state.ts";
import type { State, Volume } from "../model/state.ts";

const byInstance = oncePerState((state) => {
  const found = new Map<string, Volume[]>();
  for (const volume of Object.values(state.volumes)) {
    const { instance, device } = volume;
    if (instance === null || device === null) continue;
    const others = found.get(instance);
    if (others === undefined) found.set(instance, [volume]);
    else others.push(volume);
  }
  return found;
});

/** Volumes of an instance, by device. */
export function volumesOf(state: State, uuid: string): Map<string, Volume> {
  const disks = (byInstance(state).get(uuid) ?? []).map((volume): [string, Volume] => [volume.device ?? "", volume]);
  return new Map(disks.sort(([a], [b]) => a.length - b.length || compareTexts(a, b)));
}
