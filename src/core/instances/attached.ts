/**
 * Volumes that are there already and become disks of a new instance: it did not make them, so it does not take them
 * with it.
 */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import type { NewDisk } from "../model/host.ts";
import { newDiskSchema } from "../model/journal-data.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { diskOf, freeDevices } from "../volumes/attach.ts";
import { attachTo, letGo } from "../volumes/attachment.ts";
import { findVolume, volumeLabel } from "../volumes/find.ts";
import { requireIdle, requireUnfrozen } from "../volumes/requirements.ts";

/** A volume, and the disk that it will be. */
export interface AttachedVolume {
  readonly volume: string; // id
  readonly disk: NewDisk;
}

/** As the journal remembers it. */
export const attachedVolumeSchema: v.GenericSchema<unknown, AttachedVolume> = v.object({
  volume: v.string(),
  disk: newDiskSchema,
});

interface Wish {
  readonly source: { readonly kind: string; readonly target: string };
  readonly volumes?: readonly string[];
}

/**
 * The ids of the volumes that are to be attached, the one to boot from first. Throws "not_found"; "usage" where one is
 * named twice.
 */
export function wantedVolumes(state: State, { source, volumes = [] }: Wish): string[] {
  const targets = [...(source.kind === "volume" ? [source.target] : []), ...volumes];
  const ids = targets.map((target) => findVolume(state, target).id);
  const twice = targets.find((_, index) => ids.indexOf(ids[index] ?? "") !== index);
  if (twice === undefined) return ids;
  throw new EstratoError("usage", `volume ${twice}: it is named twice`, { hint: "Name each volume once." });
}

/** Gives each the next free device behind `taken`. Throws "conflict" where one is attached or held; touches nothing. */
export async function planAttached(
  world: World,
  state: State,
  ids: readonly string[],
  taken: readonly string[],
): Promise<AttachedVolume[]> {
  if (ids.length === 0) return [];
  const devices = freeDevices(state, null, taken);
  if (devices.length < ids.length) {
    throw new EstratoError("usage", `${ids.length} volumes: more than an instance can have`, { hint: "Name fewer." });
  }
  const planned: AttachedVolume[] = [];
  for (const [index, id] of ids.entries()) {
    const volume = findVolume(state, id);
    requireFreeVolume(state, id);
    requireUnfrozen(state, volume, "be written");
    await requireIdle(world, state, volume);
    planned.push({ volume: id, disk: diskOf(state, volume, devices[index] ?? "") });
  }
  return planned;
}

/** In the transaction that records the instance. Throws "conflict" where one is no longer free. */
export function recordAttached(draft: State, uuid: string, attached: readonly AttachedVolume[]): void {
  for (const { volume: id, disk } of attached) {
    const volume = draft.volumes[id];
    if (volume?.instance !== uuid) requireFreeVolume(draft, id);
    if (volume === undefined) continue;
    attachTo(volume, uuid, disk.device);
  }
}

/** They are free again. Idempotent. */
export function releaseAttached(draft: State, uuid: string, attached: readonly AttachedVolume[]): void {
  for (const { volume: id } of attached) {
    const volume = draft.volumes[id];
    if (volume?.instance === uuid) letGo(volume);
  }
}

function requireFreeVolume(state: State, id: string): void {
  const volume = findVolume(state, id);
  if (volume.instance === null) return;
  const label = volumeLabel(state, volume);
  const other = state.instances[volume.instance]?.name ?? volume.instance;
  throw new EstratoError("conflict", `volume ${label}: it is attached to ${other} as ${volume.device}`, {
    hint: `Detach it first: estrato volume detach ${other} ${label}.`,
  });
}
