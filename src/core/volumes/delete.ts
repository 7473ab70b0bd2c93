/** `volume delete`: dropping the pointer is all that the verb owes; what was only its own is collected after. */

import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { humanSize } from "../../units.ts";
import { confirmed } from "../confirm.ts";
import { freedByDropping } from "../layers/freed.ts";
import { sizedAndDated } from "../loss-words.ts";
import type { State, Volume } from "../model/state.ts";
import { run } from "../operations/operation.ts";
import type { PlanView, Step } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { findVolume, volumeLabel, withVolume } from "./find.ts";
import { headOf, requireIdle } from "./requirements.ts";

interface DeleteData {
  readonly volume: string;
}

export const deleteVolumeKind: Kind<DeleteData> = {
  name: "volume.delete",
  version: 1,
  data: v.object({ volume: v.string() }),
  recover: recoverVolumeDelete,
};

/**
 * Deletes a volume that is attached to nothing. Its snapshots stay, and what was made from them. Asks first; null where
 * the answer was no, or when it is done; a dry run returns the plan and the bytes that it would free. Throws
 * "not_found", "conflict" where it is attached or held.
 */
export async function deleteVolume(world: World, target: string): Promise<PlanView | null> {
  const early = await world.store.read();
  const first = findVolume(early, target);
  requireFreeVolume(early, first);
  const label = volumeLabel(early, first);
  const size = humanSize(early.layers[first.head]?.sizeBytes ?? 0);
  const loses = [`volume ${label} (${first.id}, ${size})${sizedAndDated(world, null, first.createdAt)}`];
  if (!(await confirmed(world, { text: `Delete volume ${label}?`, loses }))) return null;
  return withVolume(world, first.id, async (locks, state, volume) => {
    requireFreeVolume(state, volume);
    if (state.layers[volume.head] !== undefined && (await world.host.fileInfo(headOf(state, volume).file)) !== null) {
      await requireIdle(world, state, volume);
    }
    const drop = (draft: State) => void delete draft.volumes[volume.id];
    const steps: Step[] = [{ id: "forget-volume", title: "Forget the volume", run: () => world.store.update(drop) }];
    return run<DeleteData, null>(world, locks, {
      kind: deleteVolumeKind,
      target: label,
      data: { volume: volume.id },
      steps,
      follows: () => freedByDropping(world, state, drop),
      result: async () => null,
    });
  });
}

function requireFreeVolume(state: State, volume: Volume): void {
  if (volume.instance === null) return;
  const label = volumeLabel(state, volume);
  const instance = state.instances[volume.instance]?.name ?? volume.instance;
  throw new EstratoError("conflict", `volume ${label}: it is attached to ${instance} as ${volume.device}`, {
    hint: `Detach it first: estrato volume detach ${instance} ${label}.`,
  });
}

/** Always forward: what was to go, goes. */
async function recoverVolumeDelete(world: World, _locks: HeldLocks, { volume }: DeleteData): Promise<Outcome> {
  await world.store.update((draft) => {
    delete draft.volumes[volume];
  });
  return "forward";
}
