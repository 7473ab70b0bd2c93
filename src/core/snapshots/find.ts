/** From `snap-…`, a name, or INSTANCE/NAME to a snapshot. */
import { EstratoError } from "../../errors.ts";
import type { Snapshot, State } from "../../store/schema.ts";

/** INSTANCE/NAME as people type it, for messages. */
export function snapshotLabel(state: State, snapshot: Snapshot): string {
  const owner =
    snapshot.instance === null
      ? (state.volumes[snapshot.volume ?? ""]?.name ?? snapshot.volume ?? "")
      : (state.instances[snapshot.instance]?.name ?? snapshot.instance);
  return `${owner}/${snapshot.name}`;
}

/** The snapshot that `target` names. Throws "not_found" where there is none, or several (listed). */
export function findSnapshot(state: State, target: string): Snapshot {
  const byId = state.snapshots[target];
  if (byId !== undefined) return byId;
  const found = Object.values(state.snapshots).filter((snapshot) => {
    if (snapshot.name === target || snapshotLabel(state, snapshot) === target) return true;
    return snapshot.instance !== null && `${snapshot.instance}/${snapshot.name}` === target;
  });
  const [first, ...others] = found;
  if (first === undefined) {
    throw new EstratoError("not_found", `snapshot ${target}: not found`, { hint: 'See "estrato snapshot list".' });
  }
  if (others.length > 0) {
    const candidates = found.map((snapshot) => snapshotLabel(state, snapshot)).join(", ");
    throw new EstratoError("not_found", `snapshot ${target}: ambiguous: ${candidates}`, {
      hint: "Name it as INSTANCE/NAME, or by its id.",
    });
  }
  return first;
}
