/**
 * Finds domains that would write to a layer that is not theirs: what stands on it would be destroyed, and nothing in
 * the record says who did it.
 */
import { nameOf, pointersAt, standingOn } from "../graph/references.ts";
import { coveredDisks, volumesOf } from "../instances/adopt.ts";
import type { Layer, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { type Finding, unmendable } from "./finding.ts";

/** Every disk of every domain that is the file of a layer is so because it is that instance's volume. */
export async function examineStrangers(world: World, state: State): Promise<Finding[]> {
  const byFile = new Map(Object.values(state.layers).map((layer) => [layer.file, layer]));
  const findings: Finding[] = [];
  for (const status of (await world.host.domainStatuses()).values()) {
    const own = volumesOf(state, status.uuid);
    for (const { device, source } of coveredDisks(status)) {
      const layer = byFile.get(source ?? "");
      // A disk of its own that names another file is looked at with the instance.
      if (layer === undefined || own.has(device)) continue;
      const remedy = `Take it out again: virsh detach-disk ${status.name} ${device} --persistent.`;
      findings.push(unmendable(`instance ${status.name}`, `its disk ${device} is ${whose(state, layer)}`, remedy));
    }
  }
  return findings;
}

function whose(state: State, layer: Layer): string {
  const [volume] = pointersAt(state, layer.id).filter(({ kind }) => kind === "volume");
  if (!layer.frozen && volume !== undefined) return `${nameOf(state, volume)}, which is not attached to it`;
  return `a layer that others stand on (${standingOn(state, layer.id).join(", ")})`;
}
