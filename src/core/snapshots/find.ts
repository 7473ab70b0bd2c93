/** From `snap-…`, a name, or INSTANCE/NAME to a snapshot. */
import type { Snapshot, State } from "../model/state.ts";
import { find } from "../names.ts";
import { foreignName, heldByLibvirt } from "./foreign.ts";

/** INSTANCE/NAME as people type it, for messages. */
export function snapshotLabel(state: State, snapshot: Snapshot): string {
  const owner =
    snapshot.instance === null
      ? (state.volumes[snapshot.volume ?? ""]?.name ?? snapshot.volume ?? "")
      : (state.instances[snapshot.instance]?.name ?? snapshot.instance);
  return `${owner}/${snapshot.name}`;
}

/**
 * The locks under which a snapshot stays as it is: its instance's, or its volume's and that of the instance it is
 * attached to.
 */
export function snapshotLocks(state: State, snapshot: Snapshot): string[] {
  if (snapshot.instance !== null) return [snapshot.instance];
  const volume = state.volumes[snapshot.volume ?? ""];
  const attached = volume?.instance ?? null;
  return [snapshot.volume ?? snapshot.id, ...(attached === null ? [] : [attached])];
}

/**
 * The snapshot that `target` names. Throws "not_found" where there is none, or several (listed); "conflict" for one
 * that libvirt holds. `act`: what is to be done with it, where virsh can do that.
 */
export function findSnapshot(state: State, target: string, act: "delete" | "revert" | null = null): Snapshot {
  const foreign = foreignName(state, target);
  if (foreign !== null) throw heldByLibvirt(foreign, act);
  return find(
    {
      kind: "snapshot",
      items: Object.values(state.snapshots),
      id: (snapshot) => snapshot.id,
      name: (snapshot) => snapshot.name,
      paths: (snapshot) => [snapshotLabel(state, snapshot), `${snapshot.instance ?? snapshot.volume}/${snapshot.name}`],
    },
    target,
  );
}
