/** What others have done to the files of a merge since it was decided on, and what keeps it from its end. */
import { EstratoError } from "../../errors.ts";
import { chainBelow } from "../files-under.ts";
import type { Merge } from "../graph/decisions.ts";
import type { State } from "../model/state.ts";
import { definitionsOf } from "../named-files.ts";
import type { World } from "../ports.ts";
import { standsOn } from "../same-file.ts";
import { instancesOn } from "./holders.ts";

/**
 * What goes at the end must be directly under nothing that others have made since (another tool's overlay). What cannot
 * be read keeps nothing from its end: nobody's recovery waits for a stranger's broken disk. Throws "conflict".
 */
export async function requireNoOutsiders(world: World, state: State, { layer, child, way }: Merge): Promise<void> {
  const goes = state.layers[way === "up" ? layer : child]?.file;
  if (goes === undefined) return;
  const ours = new Set(Object.values(state.layers).map(({ file }) => file));
  for (const status of (await world.host.domainStatuses()).values()) {
    for (const { device, source, format } of definitionsOf(status).flatMap(({ disks }) => disks)) {
      if (source === null || ours.has(source)) continue;
      const above = await fileAbove(world, { source, format }, goes);
      if (above === null || ours.has(above)) continue;
      const what = `layer ${layer}: its merge cannot end: ${above}, a disk of ${status.name}, stands on ${goes}, which is to go`;
      throw new EstratoError("conflict", what, {
        hint: `Let the tool that put it there take it away again, or merge it: virsh blockcommit ${status.name} ${device} --base ${goes} --active --pivot.`,
      });
    }
  }
}

async function fileAbove(world: World, disk: { source: string; format: string }, file: string): Promise<string | null> {
  const chain = await chainBelow(world, disk.source, disk.format);
  return chain[chain.indexOf(file) - 1] ?? null;
}

/**
 * Has somebody else made the child stand on something else (virsh blockpull, qemu-img rebase)? By its header, where
 * nobody runs on it. `cut`: a merge up may have switched it itself.
 */
export async function isTakenOff(
  world: World,
  state: State,
  { layer, child, way }: Merge,
  cut: boolean,
): Promise<boolean> {
  const [below, above] = [state.layers[layer], state.layers[child]];
  if (below === undefined || above === undefined) return false;
  const info = await world.host.imageInfo(above.file, { shared: true, format: above.format });
  if (info === null || (await standsOn(world, info, below.file))) return false;
  return !(cut && way === "up" && (await standsOn(world, info, state.layers[below.parent ?? ""]?.file ?? null)));
}

/**
 * One that is off is in the way with what libvirt holds of it, and as long as this has not ended only virsh starts it.
 */
export async function wayOut(world: World, state: State, { child }: Merge, by: readonly string[]): Promise<string> {
  const then = "then: estrato doctor --repair.";
  for (const status of (await world.host.domainStatuses(instancesOn(state, [child]))).values()) {
    const { name, managedSave, snapshots, checkpoints } = status;
    if (managedSave) return `Resume it (virsh start ${name}) or drop it (virsh managedsave-remove ${name}); ${then}`;
    if (snapshots.length > 0) return `Delete them first: virsh snapshot-delete ${name} NAME; ${then}`;
    if (checkpoints.length > 0) return `Delete them first: virsh checkpoint-delete ${name} NAME; ${then}`;
  }
  return `Stop first: ${by.join(", ")}.`;
}
