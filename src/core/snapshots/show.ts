/** `snapshot show`: all that is known of a snapshot, and whether it can be reverted to now. */
import { EstratoError } from "../../errors.ts";
import type { Snapshot, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { findSnapshot } from "./find.ts";
import { findForeign, foreignName, heldByLibvirt } from "./foreign.ts";
import { foreignView, type SnapshotView, viewSnapshots } from "./list.ts";
import { obstacleTo } from "./restorable.ts";

export interface SnapshotDetail extends SnapshotView {
  readonly restorable: boolean;
  /** Why not; null where it can. */
  readonly restorable_reason: string | null;
  /** What its memory needs of a host; null without memory. */
  readonly requires: { readonly qemu_version: string | null; readonly machine: string | null } | null;
}

/** Any that `list` shows, libvirt's own too. Throws "not_found" where there is none, or several (listed). */
export async function showSnapshot(world: World, target: string): Promise<SnapshotDetail> {
  const state = await world.store.read();
  const foreign = foreignName(state, target);
  if (foreign === null) return detailSnapshot(world, state, findSnapshot(state, target));
  const status = await findForeign(world, foreign);
  const { hint, message } = heldByLibvirt({ ...foreign, instance: status.name }, "revert");
  const reason = `${message.replace(/^.*?: (?=libvirt holds)/, "")}. ${hint}`;
  return { ...foreignView(status, foreign.name), restorable: false, restorable_reason: reason, requires: null };
}

/** Asked anew each time: what a host has changes. */
export async function detailSnapshot(world: World, state: State, snapshot: Snapshot): Promise<SnapshotDetail> {
  const [view] = await viewSnapshots(world, state, [snapshot], true);
  const { memory } = snapshot;
  const reason = await whyNot(world, state, snapshot);
  return Object.assign(view as SnapshotView, {
    restorable: reason === null,
    restorable_reason: reason,
    requires: memory === null ? null : { qemu_version: memory.qemuVersion, machine: memory.machine },
  });
}

/** Null where it can be reverted to now. A memory file that libvirt cannot read is a reason, too. */
async function whyNot(world: World, state: State, snapshot: Snapshot): Promise<string | null> {
  if (snapshot.type === "volume") return whyNotVolume(world, state, snapshot);
  const status = await world.host.domainStatus(snapshot.instance ?? "");
  if (status === null) return "libvirt does not have its instance";
  try {
    return (await obstacleTo(world, state, snapshot, status))?.reason ?? null;
  } catch (error) {
    if (error instanceof EstratoError) return error.message;
    throw error;
  }
}

/** A volume is reverted at rest. */
async function whyNotVolume(world: World, state: State, snapshot: Snapshot): Promise<string | null> {
  const volume = state.volumes[snapshot.volume ?? ""];
  if (volume === undefined) return "its volume has been deleted";
  const status = volume.instance === null ? null : await world.host.domainStatus(volume.instance);
  return status === null || status.live === null ? null : `${status.name} runs with its volume`;
}
