/**
 * What a recovery may still define. Between the crash and it others may have changed the definition: to put back what
 * they have taken out, or to take away what they have put in, is not for it.
 */
import { hasFile } from "../files-under.ts";
import type { Action } from "../model/action.ts";
import type { World } from "../ports.ts";

/**
 * These actions, without redefining what is not a file of ours any more: a disk that the definition does not have, or
 * that is there on what another tool has put on it, or has moved it to, and a domain that libvirt does not keep. All
 * witnesses are asked about that by the next command (truth.ts).
 */
export async function stillDefined(world: World, actions: readonly Action[]): Promise<Action[]> {
  const files = new Set(Object.values((await world.store.read()).layers).map(({ file }) => file));
  const left: Action[] = [];
  for (const action of actions) {
    if (action.do !== "redefine") {
      left.push(action);
      continue;
    }
    const status = await world.host.domainStatus(action.domain);
    if (status?.persistent !== true) continue;
    const sources = new Map(status.inactive.disks.map(({ device, source }) => [device, source]));
    const disks: (typeof action.disks)[number][] = [];
    for (const disk of action.disks) {
      const source = sources.get(disk.device) ?? null;
      if (source !== null && (source === disk.path || (await hasFile(world, files, source)))) disks.push(disk);
    }
    left.push({ ...action, disks });
  }
  return left;
}
